// The little of protobuf that questions to a container runtime need: fields that are numbers, texts, or messages. It knows no schema: callers name
// fields by their numbers. Source: protobuf.dev/programming-guides/encoding.

/** Bytes that are no protobuf message. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A message of the given fields; their numbers are below 16, their texts below 128 bytes or longer. */
export function encodeMessage(fields: Readonly<Record<number, string | boolean>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).map(([number, value]) => {
      if (typeof value === "boolean") return Buffer.from([Number(number) * 8 + VARINT, Number(value)]);
      const text = Buffer.from(value);
      return Buffer.concat([Buffer.from([Number(number) * 8 + LENGTH_DELIMITED]), varint(text.length), text]);
    }),
  );
}

/** One field: a number of up to 53 bits, exactly, or the bytes of a text or a message, as a view. */
export interface Field {
  readonly number: number;
  readonly value: number | Buffer;
}

/**
 * The fields of a message, in their order. Those of fixed width, which nothing here asks for, are left out.
 *
 * @throws ProtobufError
 */
export function* decodeMessage(bytes: Buffer): Generator<Field> {
  let at = 0;
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new ProtobufError(`a field of ${length} bytes goes beyond the message`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const takeVarint = (): number => {
    let value = 0;
    for (let place = 0; place < 10; place++) {
      const byte = take(1)[0] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    throw new ProtobufError("a number has more than 10 bytes");
  };
  while (at < bytes.length) {
    const tag = takeVarint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case VARINT:
        yield { number, value: takeVarint() };
        break;
      case LENGTH_DELIMITED:
        yield { number, value: take(takeVarint()) };
        break;
      case FIXED64:
        take(8);
        break;
      case FIXED32:
        take(4);
        break;
      default:
        throw new ProtobufError(`field ${number} has the unknown wire type ${tag % 8}`);
    }
  }
}

/** The bytes of a message's field, of the last one with its number; null when there is none. */
export function bytesField(message: Buffer, number: number): Buffer | null {
  let found: Buffer | null = null;
  for (const field of decodeMessage(message)) {
    if (field.number === number && typeof field.value !== "number") found = field.value;
  }
  return found;
}

/** The same of a number; 0, which is not sent, when there is none. */
export function numberField(message: Buffer, number: number): number {
  let found = 0;
  for (const field of decodeMessage(message)) {
    if (field.number === number && typeof field.value === "number") found = field.value;
  }
  return found;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
