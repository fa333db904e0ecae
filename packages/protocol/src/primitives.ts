// Codecs of single values: integers, flags, bytes and text.

import { type Codec, type Resumable, resumeItem, small } from "./codec.ts";
import { EncodeError, ProtocolError } from "./protocolError.ts";
import { decodeUtf8, type Reader, WIDEST_U16, WIDEST_U32 } from "./reader.ts";
import type { TextGrammar } from "./shape.ts";
import { checkRange, type Writer } from "./writer.ts";

/** An unsigned 64-bit integer: a number up to 2^53 − 1, a bigint only above, so equal values are always `===`. */
export type U64 = number | bigint;
/** A signed 64-bit integer: a bigint only outside ±(2^53 − 1). */
export type I64 = number | bigint;

/** Estimated heap of a text and of a byte array beside their contents. */
const TEXT_OVERHEAD = 24;
const BYTES_OVERHEAD = 224;

/** One raw byte; the only integer without the variable-length form. */
export const u8: Codec<number> = small(
  { kind: "integer", type: "u8" },
  1,
  (out, value) => {
    checkRange(value, 0, 0xff, "u8");
    out.byte(value);
  },
  (input) => input.byte(),
);

export const u16: Codec<number> = small(
  { kind: "integer", type: "u16" },
  1,
  (out, value) => {
    checkRange(value, 0, 0xffff, "u16");
    out.varint(value);
  },
  (input) => input.smallVarint(WIDEST_U16, "u16"),
);

export const u32: Codec<number> = small(
  { kind: "integer", type: "u32" },
  1,
  (out, value) => {
    checkRange(value, 0, 0xffff_ffff, "u32");
    out.varint(value);
  },
  (input) => input.smallVarint(WIDEST_U32, "u32"),
);

export const u64: Codec<U64> = small(
  { kind: "integer", type: "u64" },
  1,
  (out, value) => {
    checkRange(value, 0, 0xffff_ffff_ffff_ffffn, "u64");
    writeUnsigned(out, value);
  },
  (input) => input.varint64("u64"),
);

export const u128: Codec<bigint> = small(
  { kind: "integer", type: "u128" },
  1,
  (out, value) => {
    checkRange(value, 0n, (1n << 128n) - 1n, "u128");
    out.bigVarint(value);
  },
  (input) => input.varint128("u128"),
);

/** Zigzag: small magnitudes of either sign are short. */
export const i32: Codec<number> = small(
  { kind: "integer", type: "i32" },
  1,
  (out, value) => {
    checkRange(value, -0x8000_0000, 0x7fff_ffff, "i32");
    out.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  },
  (input) => {
    const zigzag = input.smallVarint(WIDEST_U32, "i32");
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  },
);

export const i64: Codec<I64> = small(
  { kind: "integer", type: "i64" },
  1,
  (out, value) => {
    checkRange(value, -0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn, "i64");
    const wide = BigInt(value);
    writeUnsigned(out, wide >= 0n ? wide * 2n : -wide * 2n - 1n);
  },
  (input) => {
    const zigzag = input.varint64("i64");
    if (typeof zigzag === "number") return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    return narrow((zigzag >> 1n) ^ -(zigzag & 1n));
  },
);

export const bool: Codec<boolean> = small(
  { kind: "bool" },
  1,
  (out, value) => out.byte(value ? 1 : 0),
  (input) => readFlag(input, "bool"),
);

/** A UUID, as the 128-bit number that its hexadecimal digits make. */
export const uid: Codec<bigint> = small(
  { kind: "uid" },
  1,
  (out, value) => u128.write(out, value),
  (input) => u128.read(input),
);

/** No bytes at all. */
export const unit: Codec<null> = small<null>(
  { kind: "unit" },
  0,
  () => undefined,
  () => null,
);

/** A byte string. What is read is a copy that belongs to the message. */
export const bytes: Codec<Uint8Array> = {
  shape: { kind: "bytes" },
  minBytes: 1,
  isSmall: false,
  write: (out, value) => out.bytes(value),
  read(input) {
    const length = input.checkLength(input.varint64("byte string"), "byte string");
    input.charge(BYTES_OVERHEAD);
    // Not `slice`: that of a Node buffer, which sockets give, makes a view.
    return new Uint8Array(input.view(length));
  },
  *resume(input) {
    const collected = yield* collect(input, "byte string");
    input.charge(BYTES_OVERHEAD);
    return collected;
  },
};

/** UTF-8 text. */
export const text: Codec<string> = textCodec("text", null);

/** Text whose content must obey a grammar; `problem` says what is wrong with it, null when nothing is. */
export function checkedText(grammar: TextGrammar, problem: (value: string) => string | null): Codec<string> {
  return textCodec(grammar, grammar, problem);
}

function textCodec(thing: string, grammar: TextGrammar | null, problem?: (value: string) => string | null): Codec<string> {
  const check = (value: string): string => {
    const wrong = problem === undefined ? null : problem(value);
    if (wrong !== null) throw new ProtocolError("malformed", wrong);
    return value;
  };
  return {
    shape: { kind: "text", grammar },
    minBytes: 1,
    isSmall: false,
    write(out: Writer, value: string) {
      const wrong = problem === undefined ? null : problem(value);
      if (wrong !== null) throw new EncodeError(wrong);
      out.text(value);
    },
    read(input: Reader) {
      const length = input.checkLength(input.varint64(thing), thing);
      const value = check(input.text(length, thing));
      input.charge(textOverhead(value, length));
      return value;
    },
    *resume(input: Reader) {
      const collected = yield* collect(input, thing);
      const value = check(decodeUtf8(collected, thing));
      input.charge(textOverhead(value, collected.length));
      return value;
    },
  };
}

/** Estimated heap of a text beside its bytes on the wire: one character beyond Latin-1 makes all of them take two bytes. */
function textOverhead(value: string, wireBytes: number): number {
  return value.length === wireBytes ? TEXT_OVERHEAD : TEXT_OVERHEAD + Math.max(0, 2 * value.length - wireBytes);
}

/**
 * A length and that many bytes, in an array of their own. The array is made in full at once: its length is within the message limit,
 * and the kernel gives memory for a page only when it is written.
 */
function* collect(input: Reader, thing: string): Resumable<Uint8Array> {
  const declared = yield* resumeItem(u64, input);
  const length = input.checkLength(declared, thing);
  const collected = new Uint8Array(length);
  input.beginFill(collected);
  while (!input.fillMore()) yield;
  return collected;
}

/** One byte that must be 0 or 1. */
export function readFlag(input: Reader, thing: string): boolean {
  const flag = input.byte();
  if (flag > 1) throw new ProtocolError("malformed", `${thing}: byte ${flag} is neither 0 nor 1`);
  return flag === 1;
}

function writeUnsigned(out: Writer, value: number | bigint): void {
  if (typeof value === "number") out.varint(value);
  else out.bigVarint(value);
}

/** A number where that is exact, else the bigint. */
export function narrow(value: bigint): number | bigint {
  const isExact = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return isExact ? Number(value) : value;
}
