// Waiting for a file that is not ready (a FIFO without a writer, a terminal without input, a lease that is being given back) by trying
// again after rests that grow. Costs no thread and no descriptor; what is ready is noticed late by a fraction of the time waited.

import { setTimeout as sleep } from "node:timers/promises";
import { remoteIoError } from "../errors/remoteError.ts";
import { EINTR } from "./errnos.ts";

const firstMs = 2;
const longestMs = 100;

/** One wait: call `rest` between two tries. */
export class GrowingRests {
  readonly #signal: AbortSignal;
  #nextMs = firstMs;
  #waitedMs = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Sum of the rests so far, in milliseconds. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** @throws RemoteError EINTR when the signal aborts, which ends the request. */
  async rest(): Promise<void> {
    const restMs = this.#nextMs;
    try {
      await sleep(restMs, undefined, { signal: this.#signal, ref: false });
    } catch (error) {
      throw remoteIoError(EINTR, "the wait for a file ended with its session", error);
    }
    this.#waitedMs += restMs;
    this.#nextMs = Math.min(restMs * 1.5, longestMs);
  }
}
