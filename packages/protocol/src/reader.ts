// A cursor over received bytes that knows the limits of the message being read. It never copies and never keeps bytes
// beyond the call that reads them, unless a codec says so.

import type { DecodeLimits } from "./limits.ts";
import { ProtocolError } from "./protocolError.ts";

/** Thrown (as is, never wrapped) when a read runs past the bytes at hand. Whoever called knows how to go on. */
export const INCOMPLETE = new Error("the bytes end inside a value");

/** Up to here a text is read faster byte by byte than by a decoder. */
const SHORT_TEXT_BYTES = 16;
const twoTo32 = 0x1_0000_0000;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Widest tag a field of each size accepts; the value is the byte that announces the widest form. */
export const WIDEST_U16 = 251;
export const WIDEST_U32 = 252;
export const WIDEST_U64 = 253;
export const WIDEST_U128 = 254;

export class Reader {
  data: Uint8Array;
  pos: number;
  end: number;
  /** Nesting of recursive types around the current position. */
  depth = 0;
  readonly limits: DecodeLimits;
  /** Position where the current message began, relative to `data`; negative when that was in earlier bytes. */
  #messageStart = 0;
  /** Heap estimate of the values read for the current message, in bytes. */
  #overhead = 0;
  /** The array that the next bytes are copied to, and how many it has. */
  #target: Uint8Array | null = null;
  #filled = 0;

  constructor(data: Uint8Array, limits: DecodeLimits) {
    this.data = data;
    this.pos = 0;
    this.end = data.length;
    this.limits = limits;
  }

  /** Goes on with the next bytes of the same stream. Only when all earlier ones are consumed. */
  continueWith(data: Uint8Array): void {
    this.#messageStart -= this.end;
    this.data = data;
    this.pos = 0;
    this.end = data.length;
  }

  beginMessage(): void {
    this.#messageStart = this.pos;
    this.#overhead = 0;
    this.depth = 0;
    this.#target = null;
  }

  /** Bytes of the current message consumed so far. */
  get messageBytes(): number {
    return this.pos - this.#messageStart;
  }

  /** What the current message has cost so far, by the measure of `maxMessageBytes`. */
  get messageCost(): number {
    return this.messageBytes + this.#overhead;
  }

  get overhead(): number {
    return this.#overhead;
  }

  /** Goes back to where an attempt to read began. */
  rewind(pos: number, overhead: number, depth: number): void {
    this.pos = pos;
    this.#overhead = overhead;
    this.depth = depth;
  }

  /** Adds to the heap estimate of the current message. */
  charge(bytes: number): void {
    this.#overhead += bytes;
  }

  /** @throws ProtocolError when what has been read exceeds the message limit. */
  checkCost(thing: string): void {
    if (this.messageCost > this.limits.maxMessageBytes) {
      throw new ProtocolError(
        "limit",
        `${thing}: message of ${this.messageCost} bytes in memory exceeds maxMessageBytes ${this.limits.maxMessageBytes}`,
      );
    }
  }

  /** Checks a declared length before anything is allocated for it. Returns it as a plain number. */
  checkLength(declared: number | bigint, thing: string, minBytesEach = 1): number {
    const room = this.limits.maxMessageBytes - this.messageCost;
    if (typeof declared === "bigint" || declared * minBytesEach > room) {
      throw new ProtocolError(
        "limit",
        `${thing} declares ${declared}, only ${Math.max(0, room)} bytes are left of maxMessageBytes ${this.limits.maxMessageBytes}`,
      );
    }
    return declared;
  }

  byte(): number {
    if (this.pos >= this.end) throw INCOMPLETE;
    return this.data[this.pos++]!;
  }

  /** An unsigned variable-length integer that fits a double: `widest` must be `WIDEST_U16` or `WIDEST_U32`. */
  smallVarint(widest: number, thing: string): number {
    if (this.pos >= this.end) throw INCOMPLETE;
    const tag = this.data[this.pos]!;
    if (tag <= 250) {
      this.pos += 1;
      return tag;
    }
    this.#checkTag(tag, widest, thing);
    const size = tag === 251 ? 2 : 4;
    if (this.end - this.pos <= size) throw INCOMPLETE;
    const value = size === 2 ? this.#u16At(this.pos + 1) : this.#u32At(this.pos + 1);
    this.pos += 1 + size;
    return value;
  }

  /** An unsigned 64-bit integer: a number up to 2^53 − 1, a bigint above. */
  varint64(thing: string): number | bigint {
    if (this.pos >= this.end) throw INCOMPLETE;
    const tag = this.data[this.pos]!;
    if (tag <= 252) return this.smallVarint(WIDEST_U32, thing);
    this.#checkTag(tag, WIDEST_U64, thing);
    if (this.end - this.pos <= 8) throw INCOMPLETE;
    const low = this.#u32At(this.pos + 1);
    const high = this.#u32At(this.pos + 5);
    this.pos += 9;
    return high < 0x20_0000 ? high * twoTo32 + low : (BigInt(high) << 32n) | BigInt(low);
  }

  varint128(thing: string): bigint {
    if (this.pos >= this.end) throw INCOMPLETE;
    const tag = this.data[this.pos]!;
    if (tag <= 253) return BigInt(this.varint64(thing));
    this.#checkTag(tag, WIDEST_U128, thing);
    if (this.end - this.pos <= 16) throw INCOMPLETE;
    const view = new DataView(this.data.buffer, this.data.byteOffset + this.pos + 1, 16);
    this.pos += 17;
    return (view.getBigUint64(8, true) << 64n) | view.getBigUint64(0, true);
  }

  /** The next `length` bytes as a view of the received bytes, good until they are overwritten. */
  view(length: number): Uint8Array {
    if (this.end - this.pos < length) throw INCOMPLETE;
    const start = this.pos;
    this.pos += length;
    return this.data.subarray(start, this.pos);
  }

  /** Wants the next bytes in `target`, all of it; `fillMore` copies them. */
  beginFill(target: Uint8Array): void {
    this.#target = target;
    this.#filled = 0;
  }

  /**
   * Copies what is there into the array being filled. False while that needs more bytes, and then all that is there is consumed.
   * Apart from `resume`, so that the pieces of a large payload are copied without waking every codec around it.
   */
  fillMore(): boolean {
    const target = this.#target;
    if (target === null) return true;
    const length = Math.min(target.length - this.#filled, this.end - this.pos);
    target.set(length === this.data.length ? this.data : this.data.subarray(this.pos, this.pos + length), this.#filled);
    this.pos += length;
    this.#filled += length;
    if (this.#filled < target.length) return false;
    this.#target = null;
    return true;
  }

  /** The next `length` bytes as text. */
  text(length: number, thing: string): string {
    if (this.end - this.pos < length) throw INCOMPLETE;
    const start = this.pos;
    this.pos += length;
    if (length <= SHORT_TEXT_BYTES) {
      const short = asciiText(this.data, start, this.pos);
      if (short !== null) return short;
    }
    return decodeUtf8(this.data.subarray(start, this.pos), thing);
  }

  // By hand: making a DataView of every piece that is received takes longer than all its integers.
  #u16At(at: number): number {
    return this.data[at]! | (this.data[at + 1]! << 8);
  }

  #u32At(at: number): number {
    return (this.#u16At(at) | (this.#u16At(at + 2) << 16)) >>> 0;
  }

  #checkTag(tag: number, widest: number, thing: string): void {
    if (tag > widest) throw new ProtocolError("malformed", `${thing}: integer tag ${tag} exceeds ${widest}, the widest of this field`);
  }
}

/** @throws ProtocolError when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array, thing: string): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new ProtocolError("malformed", `${thing}: ${bytes.length} bytes are not valid UTF-8`);
  }
}

/**
 * Short plain text without the fixed cost of a decoder call; null when a byte is not ASCII. Made in one step: a text put together
 * character by character stays a tree of its parts in memory, many times the size of the text.
 */
function asciiText(data: Uint8Array, start: number, end: number): string | null {
  const codes: number[] = [];
  for (let at = start; at < end; at++) {
    const byte = data[at]!;
    if (byte >= 0x80) return null;
    codes.push(byte);
  }
  return String.fromCharCode(...codes);
}
