// A request in memory of its own: what a client is sent refers to it, and so does what the target gets when the client leaves too early. One copy serves all of that.

import type { InternalHttpBodyFrame } from "@understudy/protocol";
import type { BodyTracker } from "./bodyFraming.ts";
import type { RequestHead } from "./head.ts";
import { requestBody } from "./passedExchange.ts";

export interface OwnRequest {
  /** Head and body, as far as they were there. Never changes. */
  readonly bytes: Uint8Array;
  /** The body as far as it was there, as views of `bytes`. */
  readonly frames: readonly InternalHttpBodyFrame[];
  /** Follows the rest of the body; null when it is complete. */
  readonly body: BodyTracker | null;
}

/** Copies the request whose scanned head begins at `start`. From here on `head` is about the copy. Null when the body is malformed. */
export function ownRequest(bytes: Uint8Array, start: number, end: number, head: RequestHead): OwnRequest | null {
  const body = requestBody(head);
  if (body === null) return { bytes: ownHead(bytes, start, head), frames: [], body: null };
  const ranges: [from: number, to: number][] = [];
  const frames: InternalHttpBodyFrame[] = [];
  const origin = bytes.byteOffset + start;
  const state = body.decode(bytes, start + head.length, end, {
    onData: ({ byteOffset, length }) => ranges.push([byteOffset - origin, byteOffset - origin + length]),
    onTrailers: (trailers) => frames.push({ kind: "trailers", value: trailers }),
  });
  if (state === "malformed") return null;
  const copy = copied(bytes, start, start + head.length + body.consumed);
  head.start = 0;
  const data = ranges.map(([from, to]): InternalHttpBodyFrame => ({ kind: "data", value: copy.subarray(from, to) }));
  return { bytes: copy, frames: [...data, ...frames], body: state === "done" ? null : body };
}

/** Copies a scanned head. From here on `head` is about the copy. */
export function ownHead(bytes: Uint8Array, start: number, head: RequestHead): Uint8Array {
  head.start = 0;
  return copied(bytes, start, start + head.length);
}

/** Small ones share memory, which is given back when the last of them is. */
function copied(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return Buffer.from(bytes.subarray(start, end));
}
