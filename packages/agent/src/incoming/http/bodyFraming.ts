// Finds where the body of an HTTP/1 message ends in a stream of bytes, without copying it, and takes chunked bodies
// apart. Strict by intent: what RFC 9112 §7.1 does not allow is malformed, never repaired. Does not read sockets.

import type { HttpHeaders } from "@understudy/protocol";
import { FIELD_VALUE, HEX_DIGIT, byteClasses } from "./byteClasses.ts";
import { FieldTable } from "./fieldTable.ts";
import { groupedHeaders } from "./headers.ts";

/** "more": all that was given belongs to the body. "done", "malformed": final. */
export type BodyState = "more" | "done" | "malformed";

/** Receives a body in pieces. */
export interface BodySink {
  /** `view` points into the bytes given to `decode` and is good only until this returns. Never empty. */
  onData(view: Uint8Array): void;
  /** At most once, after all data. The values never change. */
  onTrailers(trailers: HttpHeaders): void;
}

export interface BodyTracker {
  /** How many of the bytes given last belong to the body. */
  readonly consumed: number;
  /** Goes on with `bytes[start, end)`. Bytes after the body are left alone. */
  advance(bytes: Uint8Array, start: number, end: number): BodyState;
  /** As `advance`, and hands the payload to `sink`. Trailers are told only to the call that ends the body. */
  decode(bytes: Uint8Array, start: number, end: number, sink: BodySink): BodyState;
  /** What the end of the stream means here: "done" only where that is the body's end. */
  endOfStream(): "done" | "malformed";
}

/** A body of a known number of bytes; a body of 0 is "done" at once. */
export class LengthBody implements BodyTracker {
  consumed = 0;
  /** Bytes still to come. */
  remaining: number;

  constructor(length: number) {
    this.remaining = length;
  }

  advance(_bytes: Uint8Array, start: number, end: number): BodyState {
    this.consumed = Math.min(this.remaining, end - start);
    this.remaining -= this.consumed;
    return this.remaining === 0 ? "done" : "more";
  }

  decode(bytes: Uint8Array, start: number, end: number, sink: BodySink): BodyState {
    const state = this.advance(bytes, start, end);
    if (this.consumed > 0) sink.onData(bytes.subarray(start, start + this.consumed));
    return state;
  }

  endOfStream(): "done" | "malformed" {
    return this.remaining === 0 ? "done" : "malformed";
  }
}

/** A response body that lasts until the connection ends. */
export class UntilCloseBody implements BodyTracker {
  consumed = 0;

  advance(_bytes: Uint8Array, start: number, end: number): BodyState {
    this.consumed = end - start;
    return "more";
  }

  decode(bytes: Uint8Array, start: number, end: number, sink: BodySink): BodyState {
    this.consumed = end - start;
    if (end > start) sink.onData(bytes.subarray(start, end));
    return "more";
  }

  endOfStream(): "done" {
    return "done";
  }
}

export interface ChunkLimits {
  /** Most bytes of chunk extensions in one body. */
  readonly extensionMaxBytes: number;
  /** Most bytes of the trailer section. */
  readonly trailerMaxBytes: number;
  /** Most trailer fields. */
  readonly maxTrailers: number;
}

export const defaultChunkLimits: ChunkLimits = {
  extensionMaxBytes: 16 * 1024,
  trailerMaxBytes: 16 * 1024,
  maxTrailers: 128,
};

const CR = 0x0d;
const LF = 0x0a;
const MAX_SIZE_DIGITS = 16;

const IN_SIZE = 0;
const IN_EXTENSION = 1;
const AT_SIZE_LF = 2;
const IN_DATA = 3;
const AT_DATA_CR = 4;
const AT_DATA_LF = 5;
const IN_TRAILER = 6;
const ENDED = 7;
const BROKEN = 8;

/** A body in chunked coding. */
export class ChunkedBody implements BodyTracker {
  consumed = 0;
  /** Why the body is malformed. */
  reason = "";
  readonly #limits: ChunkLimits;
  #phase = IN_SIZE;
  #digits = 0;
  #size = 0;
  #extensionBytes = 0;
  /** The trailer section as far as it came, with its empty line; null until its first byte. */
  #trailer: TrailerSection | null = null;

  constructor(limits: ChunkLimits = defaultChunkLimits) {
    this.#limits = limits;
  }

  advance(bytes: Uint8Array, start: number, end: number): BodyState {
    return this.#run(bytes, start, end, null);
  }

  decode(bytes: Uint8Array, start: number, end: number, sink: BodySink): BodyState {
    return this.#run(bytes, start, end, sink);
  }

  endOfStream(): "done" | "malformed" {
    return this.#phase === ENDED ? "done" : "malformed";
  }

  #run(bytes: Uint8Array, start: number, end: number, sink: BodySink | null): BodyState {
    let at = start;
    this.consumed = 0;
    while (at < end && this.#phase < IN_TRAILER) {
      const byte = bytes[at]!;
      switch (this.#phase) {
        case IN_SIZE:
          if ((byteClasses[byte]! & HEX_DIGIT) !== 0) {
            if (++this.#digits > MAX_SIZE_DIGITS) return this.#broken("chunk size of too many digits", at - start);
            this.#size = this.#size * 16 + hexValue(byte);
            at++;
            break;
          }
          if (this.#digits === 0) return this.#broken("chunk without a size", at - start);
          if (this.#size > Number.MAX_SAFE_INTEGER) return this.#broken("chunk size too large", at - start);
          if (byte !== CR && byte !== 0x3b) return this.#broken("invalid byte after a chunk size", at - start);
          this.#phase = byte === CR ? AT_SIZE_LF : IN_EXTENSION;
          at++;
          break;
        case IN_EXTENSION: {
          const from = at;
          while (at < end && (byteClasses[bytes[at]!]! & FIELD_VALUE) !== 0) at++;
          this.#extensionBytes += at - from;
          if (this.#extensionBytes > this.#limits.extensionMaxBytes) {
            return this.#broken(`chunk extensions exceed ${this.#limits.extensionMaxBytes} bytes`, at - start);
          }
          if (at < end) {
            if (bytes[at] !== CR) return this.#broken("invalid byte in a chunk extension", at - start);
            this.#phase = AT_SIZE_LF;
            at++;
          }
          break;
        }
        case AT_SIZE_LF:
          if (byte !== LF) return this.#broken("bare CR after a chunk size", at - start);
          this.#phase = this.#size === 0 ? IN_TRAILER : IN_DATA;
          at++;
          break;
        case IN_DATA: {
          const taken = Math.min(this.#size, end - at);
          if (sink !== null) sink.onData(bytes.subarray(at, at + taken));
          this.#size -= taken;
          at += taken;
          if (this.#size === 0) this.#phase = AT_DATA_CR;
          break;
        }
        case AT_DATA_CR:
          if (byte !== CR) return this.#broken("chunk longer than its size", at - start);
          this.#phase = AT_DATA_LF;
          at++;
          break;
        default:
          if (byte !== LF) return this.#broken("bare CR after a chunk", at - start);
          this.#phase = IN_SIZE;
          this.#digits = 0;
          at++;
      }
    }
    if (this.#phase === IN_TRAILER && at < end) return this.#runTrailer(bytes, start, at, end, sink);
    this.consumed = at - start;
    if (this.#phase === BROKEN) return "malformed";
    return this.#phase === ENDED ? "done" : "more";
  }

  #runTrailer(bytes: Uint8Array, start: number, at: number, end: number, sink: BodySink | null): BodyState {
    // Nearly every body ends here, with an empty trailer section in one piece.
    if (this.#trailer === null && bytes[at] === CR && at + 1 < end && bytes[at + 1] === LF) {
      this.#phase = ENDED;
      this.consumed = at + 2 - start;
      return "done";
    }
    this.#trailer ??= new TrailerSection(this.#limits);
    const trailer = this.#trailer;
    const state = trailer.take(bytes, at, end);
    if (state === "malformed") return this.#broken(trailer.reason, at - start);
    this.consumed = at - start + trailer.consumed;
    if (state === "done") {
      this.#phase = ENDED;
      const trailers = sink === null ? [] : trailer.headers();
      if (trailers.length > 0) sink?.onTrailers(trailers);
    }
    return state;
  }

  #broken(reason: string, consumed: number): "malformed" {
    this.#phase = BROKEN;
    this.reason = reason;
    this.consumed = consumed;
    return "malformed";
  }
}

/** Collects the lines after the last chunk; they may come in pieces and are rare, so they are copied. */
class TrailerSection {
  consumed = 0;
  reason = "";
  readonly #limits: ChunkLimits;
  readonly #fields = new FieldTable();
  #bytes = new Uint8Array(256);
  #length = 0;

  constructor(limits: ChunkLimits) {
    this.#limits = limits;
  }

  take(bytes: Uint8Array, start: number, end: number): BodyState {
    const before = this.#length;
    const taken = Math.min(end - start, this.#limits.trailerMaxBytes - before);
    this.#append(bytes.subarray(start, start + taken));
    const fields = this.#fields;
    const result = fields.scan(this.#bytes, 0, fields.position, this.#length, this.#limits.maxTrailers);
    switch (result) {
      case "done":
        this.consumed = fields.position - before;
        if (fields.isChunked || fields.contentLength >= 0 || fields.hostIndex >= 0) {
          return this.#malformed("framing header in the trailer section");
        }
        this.#length = fields.position;
        return "done";
      case "more":
        this.consumed = taken;
        if (this.#length < this.#limits.trailerMaxBytes) return "more";
        return this.#malformed(`trailer section exceeds ${this.#limits.trailerMaxBytes} bytes`);
      case "many":
        return this.#malformed(`more than ${this.#limits.maxTrailers} trailer fields`);
      case "bad":
        return this.#malformed(fields.reason ?? "malformed trailer");
    }
  }

  headers(): HttpHeaders {
    return groupedHeaders(this.#bytes, 0, this.#length, this.#fields);
  }

  #append(piece: Uint8Array): void {
    if (this.#length + piece.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + piece.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
  }

  #malformed(reason: string): "malformed" {
    this.reason = reason;
    return "malformed";
  }
}

function hexValue(byte: number): number {
  return byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57;
}
