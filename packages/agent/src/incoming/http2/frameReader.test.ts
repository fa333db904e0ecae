// However the bytes of a connection are cut, the frames in them are the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameReader } from "./frameReader.ts";

type Told =
  | { type: number; flags: number; streamId: number; payload: string }
  | { streamId: number; windowBytes: number }
  | { data: string; other: number; isEnd: boolean };

/** What is told of a connection, with the pieces of each DATA frame joined. */
function read(pieces: readonly Uint8Array[]): Told[] {
  const told: Told[] = [];
  const reader = new FrameReader({
    frame: (type, flags, streamId, payload) => told.push({ type, flags, streamId, payload: Buffer.from(payload).toString("hex") }),
    dataBegins: (streamId, windowBytes) => told.push({ streamId, windowBytes }, { data: "", other: 0, isEnd: false }),
    data: (_streamId, view, otherBytes, isEnd) => {
      const last = told.at(-1);
      assert.ok(last !== undefined && "data" in last && !last.isEnd);
      last.data += Buffer.from(view).toString("hex");
      last.other += otherBytes;
      last.isEnd = isEnd;
    },
  });
  for (const piece of pieces) {
    const copy = Uint8Array.from(piece);
    reader.feed(copy);
    // Nobody may rely on the bytes after the call.
    copy.fill(0xee);
  }
  return told;
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

const payload = fc.uint8Array({ maxLength: 40 });
const plain = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 5 }), payload)
  .map((parts) => frame(...parts));
const data = fc
  .tuple(fc.boolean(), fc.integer({ min: 1, max: 5 }), payload)
  .map(([isEnd, streamId, bytes]) => frame(0, isEnd ? 1 : 0, streamId, bytes));
const padded = fc
  .tuple(fc.boolean(), fc.integer({ min: 1, max: 5 }), payload, fc.integer({ min: 0, max: 20 }))
  .map(([isEnd, streamId, bytes, padding]) =>
    frame(0, isEnd ? 9 : 8, streamId, Buffer.concat([Buffer.from([padding]), bytes, Buffer.alloc(padding)])),
  );

test("frames are the same however their bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(plain, data, padded), { maxLength: 8 }), fc.array(fc.nat(400), { maxLength: 20 }), (frames, cuts) => {
      const bytes = Buffer.concat(frames);
      const whole = read([bytes]);
      assert.equal(whole.filter((one) => !("data" in one)).length, frames.length);
      const places = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
      assert.deepEqual(read(places.slice(1).map((end, index) => bytes.subarray(places[index], end))), whole);
      assert.deepEqual(read(Array.from(bytes, (byte) => Uint8Array.of(byte))), whole);
    }),
  );
});

test("padding is no data and counts in the windows", () => {
  assert.deepEqual(read([frame(0, 9, 3, Buffer.from([2, 0x61, 0x62, 0, 0]))]), [
    { streamId: 3, windowBytes: 5 },
    { data: "6162", other: 3, isEnd: true },
  ]);
});

for (const [what, bytes] of [
  ["a frame of more than 16 KiB", frame(1, 0, 1, Buffer.alloc(16_385))],
  ["padding longer than its frame", frame(0, 8, 1, Buffer.from([5, 1, 2]))],
  ["padded DATA without a length of its padding", frame(0, 8, 1, Buffer.alloc(0))],
  ["DATA without a stream", frame(0, 0, 0, Buffer.alloc(1))],
] as const) {
  test(`is refused with ${what}`, () => {
    assert.throws(() => read([bytes]));
  });
}
