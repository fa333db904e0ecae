// Encoding and decoding: usual messages one after another, and large ones at once and in the pieces in which they arrive.

import { ClientMessage, StreamDecoder, Writer } from "@understudy/protocol";
import type { Piece } from "../piece.ts";
import { forEachCase, largeCases, type MessageCase } from "./messages.ts";

const RECEIVE_BYTES = 64 * 1024;
const PIECE_BYTES = 8 * 1024;
/** About what one turn of an event loop collects before it writes. */
const MESSAGES_PER_TURN = 32;

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function usual<T>({ name, codec, relays, message }: MessageCase<T>): Piece[] {
  const encode = (): Uint8Array[] => {
    const out = new Writer();
    for (let i = 0; i < MESSAGES_PER_TURN; i++) codec.write(out, message);
    return out.take();
  };
  const stream = Buffer.concat(encode());
  const pieces = cut(stream, RECEIVE_BYTES);
  const decode = (): number => {
    const decoder = new StreamDecoder(codec, { relays });
    let count = 0;
    for (const piece of pieces) {
      decoder.feed(piece);
      while (decoder.next() !== undefined) count += 1;
    }
    return count;
  };
  return [
    { name: `codec/encode ${name}`, operations: MESSAGES_PER_TURN, run: encode },
    { name: `codec/decode ${name}`, operations: MESSAGES_PER_TURN, run: decode },
  ];
}

function large({ name, message }: (typeof largeCases)[number]): Piece[] {
  const out = new Writer();
  ClientMessage.write(out, message);
  const bytes = Buffer.concat(out.take());
  const decode = (pieces: readonly Uint8Array[]) => (): boolean => {
    const decoder = new StreamDecoder(ClientMessage);
    for (const piece of pieces) {
      decoder.feed(piece);
      decoder.next();
    }
    return decoder.isInsideMessage;
  };
  return [
    { name: `largeMessages/${name}, at once`, run: decode([bytes]) },
    { name: `largeMessages/${name}, in pieces of 8 KiB`, run: decode(cut(bytes, PIECE_BYTES)) },
  ];
}

export function codecPieces(): readonly Piece[] {
  const pieces: Piece[] = [];
  forEachCase((one) => pieces.push(...usual(one)));
  return pieces;
}

export function largeMessagePieces(): readonly Piece[] {
  return largeCases.flatMap(large);
}
