// Gathers a request's body for filters that look at it, within limits. It takes no bytes away: whoever gets the request reads the body once more.

import type { BodyTracker } from "./bodyFraming.ts";

/** A body in chunks may take this much more room on the wire than its payload may be long. */
const MAX_OVERHEAD = 4;

/** "enough": no more is looked at, since the body is longer than filters look at. */
export type Collected = "more" | "complete" | "enough" | "malformed";

export class BodyCollector {
  readonly #tracker: BodyTracker;
  readonly #maxBytes: number;
  readonly #pieces: Uint8Array[] = [];
  #payloadBytes = 0;
  #takenBytes = 0;

  /** `tracker` is used up by this. */
  constructor(tracker: BodyTracker, maxBytes: number) {
    this.#tracker = tracker;
    this.#maxBytes = maxBytes;
  }

  /** How many bytes of the body were looked at. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Goes on with `bytes[start, end)`, which must stay as they are. `isFirst`: they came with the head; a body that ends in them may be as long as the limit, any other is shorter. */
  take(bytes: Uint8Array, start: number, end: number, isFirst: boolean): Collected {
    const state = this.#tracker.decode(bytes, start, end, {
      onData: (view) => {
        this.#payloadBytes += view.length;
        if (this.#payloadBytes <= this.#maxBytes) this.#pieces.push(view);
      },
      onTrailers: () => undefined,
    });
    this.#takenBytes += this.#tracker.consumed;
    if (state === "malformed") return "malformed";
    const isDone = state === "done";
    if (this.#payloadBytes > this.#maxBytes || (this.#payloadBytes === this.#maxBytes && !(isDone && isFirst))) return "enough";
    if (isDone) return "complete";
    return this.#takenBytes > this.#maxBytes * MAX_OVERHEAD ? "enough" : "more";
  }

  /** The payload. */
  body(): Uint8Array {
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
  }
}
