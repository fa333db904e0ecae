// Collects encoded messages. Small values go into a shared scratch buffer that is only ever filled forward, never reused, so a slice
// handed out stays as it is; large payloads are passed on by reference and must not change until they are sent.

import { EncodeError } from "./protocolError.ts";

const utf8 = new TextEncoder();

/** Options of a writer. */
export interface WriterOptions {
  /** Size of one scratch buffer in bytes. Default 16 KiB. */
  readonly scratchBytes?: number;
  /** Payloads up to this many bytes are copied, larger ones referenced. Default 512. */
  readonly copyMaxBytes?: number;
}

export class Writer {
  readonly #scratchBytes: number;
  readonly #copyMaxBytes: number;
  #scratch: Uint8Array;
  #view: DataView;
  /** Start of the bytes in `#scratch` that are not yet in a segment. */
  #start = 0;
  #pos = 0;
  #segments: Uint8Array[] = [];
  #isReferencing = false;

  constructor({ scratchBytes = 16 * 1024, copyMaxBytes = 512 }: WriterOptions = {}) {
    this.#scratchBytes = scratchBytes;
    this.#copyMaxBytes = copyMaxBytes;
    this.#scratch = new Uint8Array(scratchBytes);
    this.#view = new DataView(this.#scratch.buffer);
  }

  /** True when what was written since the last `take` includes a payload by reference. */
  get isReferencing(): boolean {
    return this.#isReferencing;
  }

  /** What was written since the last call, in order. Referenced payloads are the caller's own arrays. */
  take(): Uint8Array[] {
    this.#cut();
    const segments = this.#segments;
    this.#segments = [];
    this.#isReferencing = false;
    return segments;
  }

  /** Forgets what was written since the last `take`, after an encoder failed half-way. */
  discard(): void {
    this.#segments = [];
    this.#isReferencing = false;
    this.#start = this.#pos;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#scratch[this.#pos++] = value;
  }

  /** An unsigned integer below 2^53 in its shortest form. */
  varint(value: number): void {
    if (value <= 250) {
      this.byte(value);
      return;
    }
    this.#reserve(9);
    if (value <= 0xffff) {
      this.#scratch[this.#pos] = 251;
      this.#view.setUint16(this.#pos + 1, value, true);
      this.#pos += 3;
    } else if (value <= 0xffff_ffff) {
      this.#scratch[this.#pos] = 252;
      this.#view.setUint32(this.#pos + 1, value, true);
      this.#pos += 5;
    } else {
      this.#scratch[this.#pos] = 253;
      this.#view.setUint32(this.#pos + 1, value % 0x1_0000_0000, true);
      this.#view.setUint32(this.#pos + 5, Math.floor(value / 0x1_0000_0000), true);
      this.#pos += 9;
    }
  }

  /** An unsigned integer below 2^128 in its shortest form. */
  bigVarint(value: bigint): void {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.varint(Number(value));
      return;
    }
    this.#reserve(17);
    const isWide = value > 0xffff_ffff_ffff_ffffn;
    this.#scratch[this.#pos] = isWide ? 254 : 253;
    this.#view.setBigUint64(this.#pos + 1, value & 0xffff_ffff_ffff_ffffn, true);
    if (isWide) this.#view.setBigUint64(this.#pos + 9, value >> 64n, true);
    this.#pos += isWide ? 17 : 9;
  }

  /** Bytes without a length. */
  raw(bytes: Uint8Array): void {
    if (bytes.length > this.#copyMaxBytes) {
      this.#cut();
      this.#segments.push(bytes);
      this.#isReferencing = true;
      return;
    }
    this.#reserve(bytes.length);
    this.#scratch.set(bytes, this.#pos);
    this.#pos += bytes.length;
  }

  /** Length and bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Length and UTF-8 bytes. */
  text(text: string): void {
    if (text.length <= 48 && isAscii(text)) {
      this.#reserve(1 + text.length);
      this.#scratch[this.#pos++] = text.length;
      for (let i = 0; i < text.length; i++) this.#scratch[this.#pos++] = text.charCodeAt(i);
      return;
    }
    this.bytes(utf8.encode(text));
  }

  /** Moves the pending scratch bytes into a segment. */
  #cut(): void {
    if (this.#pos === this.#start) return;
    this.#segments.push(this.#scratch.subarray(this.#start, this.#pos));
    this.#start = this.#pos;
  }

  #reserve(bytes: number): void {
    if (this.#pos + bytes <= this.#scratch.length) return;
    this.#cut();
    this.#scratch = new Uint8Array(Math.max(this.#scratchBytes, bytes));
    this.#view = new DataView(this.#scratch.buffer);
    this.#start = 0;
    this.#pos = 0;
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** @throws EncodeError when `value` is no integer from `min` to `max`. */
export function checkRange(value: number | bigint, min: number | bigint, max: number | bigint, thing: string): void {
  const isInteger = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isInteger || value < min || value > max) throw new EncodeError(`${thing}: ${value} is no integer from ${min} to ${max}`);
}
