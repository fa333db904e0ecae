// Recorded messages in JSON Lines, and how a decoder is judged by them. The files' form is described in docs/wire.md.

import { decode } from "./decode.ts";
import { hexToBytes, toHex } from "./hex.ts";
import { type Json, toJson } from "./json.ts";
import { ProtocolError } from "./protocolError.ts";
import type { AnyCodec } from "./shape.ts";
import { Writer } from "./writer.ts";

/** One line of a vector file. */
export interface Vector {
  readonly name: string;
  /** Name of the message type. */
  readonly type: string;
  readonly hex: string;
  /** What decoding gives; absent where the bytes are no message. */
  readonly value?: Json;
  /** True when an encoder writes other bytes for the value. */
  readonly decodeOnly: boolean;
  readonly error?: "incomplete" | "malformed";
  /** True when the line declares sizes that no data follows: waiting and refusing are both right. */
  readonly isHostile: boolean;
}

/**
 * Parses one line.
 * @throws TypeError or SyntaxError when it is not a vector.
 */
export function parseVector(line: string): Vector {
  const json = JSON.parse(line) as Readonly<Record<string, Json>>;
  const { name, type, hex, error } = json;
  if (typeof type !== "string" || typeof hex !== "string") throw new TypeError("a vector needs the texts `type` and `hex`");
  if (error !== undefined && error !== "incomplete" && error !== "malformed") throw new TypeError(`unknown error ${JSON.stringify(error)}`);
  const base = {
    name: typeof name === "string" ? name : hex,
    type,
    hex,
    decodeOnly: json["decode_only"] === true,
    isHostile: "reference" in json,
  };
  return { ...base, ...("value" in json ? { value: json["value"]! } : {}), ...(error === undefined ? {} : { error }) };
}

/** What is wrong with `codec` by this vector; null when it passes. */
export function vectorProblem(codec: AnyCodec, vector: Vector): string | null {
  const bytes = hexToBytes(vector.hex);
  if (bytes === null) return "hex is not an even number of hexadecimal digits";
  let found: "incomplete" | "malformed" | null = null;
  let value: unknown;
  let used = 0;
  try {
    const decoded = decode<unknown>(codec, bytes);
    if (decoded.kind === "value") ({ value, used } = decoded);
    else found = "incomplete";
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    found = "malformed";
  }
  if (vector.isHostile) return found === null ? "decoded a message that is not there" : null;
  const expected = vector.error ?? null;
  if (found !== expected) return `decoder says ${found ?? "valid"}, vector says ${expected ?? "valid"}`;
  if (found !== null || vector.value === undefined) return null;
  if (used !== bytes.length) return `${bytes.length - used} bytes left over`;
  const json = JSON.stringify(toJson(codec, value));
  if (json !== JSON.stringify(vector.value)) return `decoded ${json}`;
  if (vector.decodeOnly) return null;
  // The decoded value, which was just found equal: parsing JSON loses the order of keys that look like numbers.
  const out = new Writer();
  codec.write(out, value);
  const hex = out.take().map(toHex).join("");
  return hex === vector.hex.toLowerCase() ? null : `encoded ${hex}`;
}
