// Bodies in the frames in which they travel to and from clients.

import type { InternalHttpBodyFrame } from "@understudy/protocol";

/** Bytes of the payload. */
export function payloadBytes(frames: readonly InternalHttpBodyFrame[]): number {
  return frames.reduce((sum, frame) => sum + (frame.kind === "data" ? frame.value.length : 0), 0);
}

/** The payload in one array; trailers have no place in it. */
export function payloadOf(frames: readonly InternalHttpBodyFrame[]): Uint8Array {
  return Buffer.concat(frames.map((frame) => (frame.kind === "data" ? frame.value : new Uint8Array(0))));
}
