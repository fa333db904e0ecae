// Rules that a frame keeps or breaks by itself: where it may stand, and how long it is (RFC 9113 §6).

import { ConnectionError, ErrorCode } from "./errors.ts";
import { Flag, FrameType, readUint31 } from "./frameTypes.ts";

const NAMES = new Map<number, string>(Object.entries(FrameType).map(([name, type]) => [type, name]));
/** Length of the payload where it is always the same. */
const LENGTHS = new Map<number, number>([
  [FrameType.priority, 5],
  [FrameType.rstStream, 4],
  [FrameType.ping, 8],
  [FrameType.windowUpdate, 4],
]);
const NEEDS_STREAM = new Set<number>([FrameType.headers, FrameType.priority, FrameType.rstStream, FrameType.continuation]);
const HAS_NO_STREAM = new Set<number>([FrameType.settings, FrameType.ping, FrameType.goAway]);
/** `lastStreamId` and a code. */
const GOAWAY_MIN_BYTES = 8;

/** @throws ConnectionError */
export function checkFrame(type: number, flags: number, streamId: number, length: number): void {
  if (streamId === 0 && NEEDS_STREAM.has(type)) throw protocolError(`${NAMES.get(type)} without a stream`);
  if (streamId !== 0 && HAS_NO_STREAM.has(type)) throw protocolError(`${NAMES.get(type)} on a stream`);
  if (type === FrameType.pushPromise) throw protocolError("a push, which was not allowed");
  const fixed = type === FrameType.settings && (flags & Flag.ack) !== 0 ? 0 : LENGTHS.get(type);
  const isWrong = fixed === undefined ? type === FrameType.goAway && length < GOAWAY_MIN_BYTES : length !== fixed;
  if (isWrong) throw new ConnectionError(ErrorCode.frameSizeError, `${NAMES.get(type)} of ${length} bytes`);
}

/** The part of a HEADERS frame's payload that is header block. @throws ConnectionError */
export function blockOf(flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  let start = 0;
  let end = payload.length;
  if ((flags & Flag.padded) !== 0) {
    if (payload.length === 0) throw new ConnectionError(ErrorCode.frameSizeError, "padded headers without a length of their padding");
    start = 1;
    end -= payload[0]!;
  }
  if ((flags & Flag.priority) !== 0) {
    if (end >= start + 5 && readUint31(payload, start) === streamId) throw protocolError("a stream that depends on itself");
    start += 5;
  }
  if (end < start) throw protocolError("padding longer than its frame");
  return payload.subarray(start, end);
}

export function protocolError(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, message);
}
