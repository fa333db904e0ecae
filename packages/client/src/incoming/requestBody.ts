// The body of one request, filled by the session as frames arrive.

import { Readable } from "node:stream";
import type { HttpHeaders, InternalHttpBody } from "@understudy/protocol";
import { type ReceiveBudget, ReceiveQueue } from "../receiveBudget.ts";
import type { RequestBody } from "./httpMessages.ts";

export class IncomingBody extends Readable implements RequestBody {
  readonly #queue: ReceiveQueue;
  readonly isKnownEmpty: boolean;
  #trailers: HttpHeaders | null = null;
  #isComplete = false;

  constructor(budget: ReceiveBudget, frames: InternalHttpBody, isLast: boolean) {
    super();
    this.#queue = new ReceiveQueue(budget, this);
    this.isKnownEmpty = isLast && frames.every((frame) => frame.kind === "data" && frame.value.length === 0);
    // Who never looked at the body learns of its failure from the request's signal.
    this.on("error", () => undefined);
    this.addFrames(frames, isLast);
  }

  get trailers(): HttpHeaders | null {
    return this.readableEnded ? this.#trailers : null;
  }

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  addFrames(frames: InternalHttpBody, isLast: boolean): void {
    for (const frame of frames) {
      if (frame.kind === "trailers") this.#trailers = frame.value;
      else if (frame.value.length > 0) this.#queue.add(frame.value);
    }
    if (!isLast) return;
    this.#isComplete = true;
    this.#queue.finish();
  }

  /** Nothing more will come. A body that is complete can still be read. */
  breakOff(reason: Error): void {
    if (!this.#isComplete) this.destroy(reason);
  }

  override _read(): void {
    this.#queue.want();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#queue.discard();
    done(error);
  }
}
