// What tests of decoders share: encoding to one array, cutting it, and running a stream decoder over pieces as a connection would. Each
// piece is overwritten as soon as it was used up, so a value that still points into it comes out wrong.

import type { Codec } from "../codec.ts";
import type { DecodeLimits } from "../limits.ts";
import { ProtocolError } from "../protocolError.ts";
import { type Relay, StreamDecoder } from "../streamDecoder.ts";
import { Writer } from "../writer.ts";

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** The bytes of values one after another. */
export function encode<T>(codec: Codec<T>, ...values: readonly T[]): Uint8Array {
  const out = new Writer();
  for (const value of values) codec.write(out, value);
  return concat(out.take());
}

/** `bytes` in pieces that end at `ends` (any order, repeats allowed) and at the end. Views of `bytes`. */
export function cutAt(bytes: Uint8Array, ends: readonly number[]): Uint8Array[] {
  const sorted = [...ends.filter((end) => end <= bytes.length), bytes.length].sort((a, b) => a - b);
  return sorted.map((end, i) => bytes.subarray(i === 0 ? 0 : sorted[i - 1], end));
}

/** `bytes` in pieces of `size`. Views of `bytes`. */
export function cutEvery(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** What a decoder made of a stream: its values, and whether the stream ended between messages, inside one, or was refused. */
export interface Verdict<T> {
  readonly values: readonly T[];
  readonly end: "between" | "inside" | ProtocolError["code"];
}

/** Runs a decoder over pieces. Payloads of relays are joined again. Anything thrown but a ProtocolError goes through. */
export function decodeStream<T>(
  codec: Codec<T>,
  pieces: readonly Uint8Array[],
  { relays = [], ...limits }: { readonly relays?: readonly Relay<T>[] } & Partial<DecodeLimits> = {},
): Verdict<T> {
  const values: T[] = [];
  let payload: Uint8Array[] = [];
  let isPiece = false;
  const joining = relays.map((relay) => ({
    prefix: relay.prefix,
    make(connectionId: number | bigint, bytes: Uint8Array): T {
      payload.push(bytes.slice());
      isPiece = true;
      return relay.make(connectionId, concat(payload));
    },
  }));
  const decoder = new StreamDecoder<T>(codec, { relays: joining, ...limits });
  try {
    for (const piece of pieces) {
      const received = piece.slice();
      decoder.feed(received);
      for (let value = decoder.next(); value !== undefined; value = decoder.next()) {
        if (!isPiece || !decoder.isInsideMessage) {
          values.push(value);
          payload = [];
        }
        isPiece = false;
      }
      received.fill(0xaa);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { values, end: error.code };
  }
  return { values, end: decoder.isInsideMessage ? "inside" : "between" };
}
