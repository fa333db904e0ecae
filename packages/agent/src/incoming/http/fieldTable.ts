// The header fields of one HTTP/1 message as offsets into the receive buffer, found in one pass that can stop at any
// byte and go on later, and what they say about framing and connection. It judges only; it never repairs: whatever two
// parsers could read in two ways becomes a reason, and the caller then leaves the bytes alone.
// Rules: RFC 9112 §5, §6, §9; RFC 9110 §5.

import { AUTHORITY, FIELD_VALUE, TOKEN, byteClasses, decimal, tokenEquals } from "./byteClasses.ts";

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const COMMA = 0x2c;

/** Numbers kept for each field: start and end of its name, start and end of its value. */
const STRIDE = 4;

const AT_LINE = 0;
const IN_NAME = 1;
const IN_VALUE = 2;
type Phase = typeof AT_LINE | typeof IN_NAME | typeof IN_VALUE;

/** "bad": `reason` says why. "many": more fields than allowed. */
export type FieldsResult = "done" | "more" | "bad" | "many";

/** All offsets count from the first byte of the head, so they stay good when the head is moved as a whole. */
export class FieldTable {
  /** Number of complete fields. */
  count = 0;
  /** Why the fields are not safe to interpret; null while nothing was found. */
  reason: string | null = null;
  /** Value of the one `content-length`; -1 without. */
  contentLength = -1;
  isChunked = false;
  hasClose = false;
  hasKeepAlive = false;
  hasUpgrade = false;
  expectContinue = false;
  /** Index of the Host field; -1 without. */
  hostIndex = -1;

  #offsets = new Int32Array(24 * STRIDE);
  #phase: Phase = AT_LINE;
  #nameStart = 0;
  #nameEnd = 0;
  #valueStart = 0;

  reset(): void {
    this.count = 0;
    this.reason = null;
    this.contentLength = -1;
    this.isChunked = false;
    this.hasClose = false;
    this.hasKeepAlive = false;
    this.hasUpgrade = false;
    this.expectContinue = false;
    this.hostIndex = -1;
    this.#phase = AT_LINE;
  }

  nameStart(index: number): number {
    return this.#offsets[index * STRIDE]!;
  }
  nameEnd(index: number): number {
    return this.#offsets[index * STRIDE + 1]!;
  }
  /** First byte of the value, white space around it left out. */
  valueStart(index: number): number {
    return this.#offsets[index * STRIDE + 2]!;
  }
  valueEnd(index: number): number {
    return this.#offsets[index * STRIDE + 3]!;
  }

  /** Index of the first field from `from` on that is called `lowerName`; -1 if there is none. */
  find(bytes: Uint8Array, base: number, lowerName: string, from = 0): number {
    for (let i = from; i < this.count; i++) {
      if (tokenEquals(bytes, base + this.nameStart(i), base + this.nameEnd(i), lowerName)) return i;
    }
    return -1;
  }

  /**
   * Reads field lines from `bytes[at, end)` up to and with the empty line. `base` is where the head begins in `bytes`.
   * After "more", call again with the position in `position` and the same head, which may have moved.
   */
  scan(bytes: Uint8Array, base: number, start: number, end: number, maxFields: number): FieldsResult {
    // Here and elsewhere: an imported constant is looked up each time, a local one is not.
    const classes = byteClasses;
    let at = start;
    let phase = this.#phase;
    for (;;) {
      if (phase === AT_LINE) {
        if (at === end) return this.#pause(phase, at - base);
        const first = bytes[at]!;
        if (first === CR) {
          if (at + 1 === end) return this.#pause(phase, at - base);
          if (bytes[at + 1] !== LF) return this.#bad("bare CR");
          this.position = at + 2 - base;
          this.#phase = AT_LINE;
          return "done";
        }
        if (first === SP || first === TAB) return this.#bad("folded or indented header line");
        if (this.count === maxFields) return "many";
        this.#nameStart = at - base;
        phase = IN_NAME;
      }
      if (phase === IN_NAME) {
        while (at < end && (classes[bytes[at]!]! & TOKEN) !== 0) at++;
        if (at === end) return this.#pause(phase, at - base);
        const stop = bytes[at]!;
        if (stop !== COLON || at - base === this.#nameStart) return this.#bad(badNameReason(stop));
        this.#nameEnd = at - base;
        at++;
        this.#valueStart = at - base;
        phase = IN_VALUE;
      }
      while (at < end && (classes[bytes[at]!]! & FIELD_VALUE) !== 0) at++;
      if (at === end) return this.#pause(IN_VALUE, at - base);
      const stop = bytes[at]!;
      if (stop !== CR) return this.#bad(stop === LF ? "bare LF" : "control byte in a header value");
      if (at + 1 === end) return this.#pause(IN_VALUE, at - base);
      if (bytes[at + 1] !== LF) return this.#bad("bare CR");
      if (!this.#add(bytes, base, at - base)) return "bad";
      at += 2;
      phase = AT_LINE;
    }
  }

  /** Where the scan stopped, counted from the first byte of the head: the end of the head after "done". */
  position = 0;

  #pause(phase: Phase, position: number): "more" {
    this.#phase = phase;
    this.position = position;
    return "more";
  }

  #bad(reason: string): "bad" {
    this.reason = reason;
    return "bad";
  }

  /** Takes the line that ends at `lineEnd` into the table; false when it makes the head unsafe. */
  #add(bytes: Uint8Array, base: number, lineEnd: number): boolean {
    let start = this.#valueStart;
    let end = lineEnd;
    while (start < end && isBlank(bytes[base + start]!)) start++;
    while (end > start && isBlank(bytes[base + end - 1]!)) end--;
    const slot = this.count * STRIDE;
    if (slot === this.#offsets.length) {
      const larger = new Int32Array(slot * 2);
      larger.set(this.#offsets);
      this.#offsets = larger;
    }
    const offsets = this.#offsets;
    offsets[slot] = this.#nameStart;
    offsets[slot + 1] = this.#nameEnd;
    offsets[slot + 2] = start;
    offsets[slot + 3] = end;
    this.count++;
    return this.#note(bytes, base + this.#nameStart, base + this.#nameEnd, base + start, base + end);
  }

  /** Notes what the field says about framing. The length of the name excludes nearly every field at once. */
  #note(bytes: Uint8Array, nameStart: number, nameEnd: number, start: number, end: number): boolean {
    switch (nameEnd - nameStart) {
      case 4:
        return !tokenEquals(bytes, nameStart, nameEnd, "host") || this.#noteHost(bytes, start, end);
      case 6:
        if (tokenEquals(bytes, nameStart, nameEnd, "expect")) {
          this.expectContinue ||= tokenEquals(bytes, start, end, "100-continue");
        }
        return true;
      case 7:
        if (tokenEquals(bytes, nameStart, nameEnd, "upgrade")) this.hasUpgrade = true;
        return true;
      case 10:
        if (tokenEquals(bytes, nameStart, nameEnd, "connection")) this.#noteConnection(bytes, start, end);
        return true;
      case 14:
        if (isLookalike(bytes, nameStart, "content", "length")) return this.#unsafe("content_length header");
        return !tokenEquals(bytes, nameStart, nameEnd, "content-length") || this.#noteLength(bytes, start, end);
      case 17:
        if (isLookalike(bytes, nameStart, "transfer", "encoding")) return this.#unsafe("transfer_encoding header");
        return !tokenEquals(bytes, nameStart, nameEnd, "transfer-encoding") || this.#noteEncoding(bytes, start, end);
      default:
        return true;
    }
  }

  #unsafe(reason: string): false {
    this.reason = reason;
    return false;
  }

  #noteHost(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.hostIndex >= 0) return this.#unsafe("several host headers");
    this.hostIndex = this.count - 1;
    for (let i = start; i < end; i++) {
      if ((byteClasses[bytes[i]!]! & AUTHORITY) === 0) return this.#unsafe("malformed host header");
    }
    return true;
  }

  #noteLength(bytes: Uint8Array, start: number, end: number): boolean {
    // Equal repetitions are refused, too: some parsers join them to a list, some reject them.
    if (this.contentLength >= 0) return this.#unsafe("several content-length headers");
    const value = decimal(bytes, start, end);
    const hasLeadingZero = end - start > 1 && bytes[start] === 0x30;
    if (value < 0 || hasLeadingZero) return this.#unsafe("malformed content-length");
    this.contentLength = value;
    return true;
  }

  #noteEncoding(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.isChunked) return this.#unsafe("several transfer-encoding headers");
    if (!tokenEquals(bytes, start, end, "chunked")) return this.#unsafe("transfer-encoding other than chunked");
    this.isChunked = true;
    return true;
  }

  #noteConnection(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      let stop = at;
      while (stop < end && bytes[stop] !== COMMA) stop++;
      let first = at;
      let last = stop;
      while (first < last && isBlank(bytes[first]!)) first++;
      while (last > first && isBlank(bytes[last - 1]!)) last--;
      if (tokenEquals(bytes, first, last, "close")) this.hasClose = true;
      else if (tokenEquals(bytes, first, last, "keep-alive")) this.hasKeepAlive = true;
      at = stop + 1;
    }
  }
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === TAB;
}

function badNameReason(byte: number): string {
  if (byte === LF) return "bare LF";
  if (byte === CR) return "header line without a colon";
  if (byte === SP || byte === TAB) return "white space before the colon";
  return byte === COLON ? "empty header name" : "invalid byte in a header name";
}

/** `content_length` and the like: gateways that build variable names from headers take them for the real ones. */
function isLookalike(bytes: Uint8Array, start: number, first: string, second: string): boolean {
  const middle = start + first.length;
  return (
    bytes[middle] === 0x5f && tokenEquals(bytes, start, middle, first) && tokenEquals(bytes, middle + 1, middle + 1 + second.length, second)
  );
}
