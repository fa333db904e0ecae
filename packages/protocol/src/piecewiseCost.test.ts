// A message that arrives in many pieces costs about as much as the same bytes at once, however large it is. Ratios of processor time, not
// times; bench/inner measures them with more care.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientMessage } from "./messages/clientMessage.ts";
import { StreamDecoder } from "./streamDecoder.ts";
import { environmentRequest, framedResponse } from "./testing/bigMessages.ts";
import { heldBytes } from "./testing/memory.ts";
import { cutEvery, encode } from "./testing/streams.ts";

const PIECE_BYTES = 8 * 1024;
/** Starting over with every piece would give hundreds. */
const MOST_RATIO = 4;
const ROUNDS = 5;

// Repeated until a sample takes tens of milliseconds, which the system's clock of processor time can tell apart.
for (const [name, message, repeats] of [
  ["one body frame of 16 MiB", framedResponse(1, 16 * 1024 * 1024), 12],
  ["16 MiB in body frames of 1 KiB", framedResponse(16 * 1024, 1024), 2],
  ["a request for 524,288 environment variables", environmentRequest(524_288), 1],
] as const) {
  test(`${name} in pieces of 8 KiB costs less than ${MOST_RATIO} times the same at once`, () => {
    const bytes = encode(ClientMessage, message);
    const pieces = cutEvery(bytes, PIECE_BYTES);
    let atOnce = Number.POSITIVE_INFINITY;
    let inPieces = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      atOnce = Math.min(atOnce, costOf([bytes], repeats));
      inPieces = Math.min(inPieces, costOf(pieces, repeats));
      if (round > 0 && inPieces < atOnce * MOST_RATIO) return;
    }
    assert.fail(`${inPieces} µs in pieces, ${atOnce} µs at once`);
  });
}

/** Processor time of decoding one message `repeats` times, in microseconds. */
function costOf(pieces: readonly Uint8Array[], repeats: number): number {
  heldBytes(); // no garbage of an earlier round is paid for here
  const start = process.cpuUsage();
  for (let i = 0; i < repeats; i++) {
    const decoder = new StreamDecoder(ClientMessage);
    let message: ClientMessage | undefined;
    for (const piece of pieces) {
      decoder.feed(piece);
      message = decoder.next();
    }
    assert.ok(message !== undefined);
  }
  const { user, system } = process.cpuUsage(start);
  return user + system;
}
