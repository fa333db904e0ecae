// How long to wait between attempts to connect again: each wait twice the one before up to a limit, and none the same, so that clients
// that lost their agent together do not come back together.

import { setTimeout as sleep } from "node:timers/promises";

export interface DelayLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

export class ReconnectDelays {
  readonly #limits: DelayLimits;
  #nextMs: number;

  constructor(limits: DelayLimits) {
    this.#limits = limits;
    this.#nextMs = limits.firstMs;
  }

  /** A session lived for this long: after one that was good the waits are short again. */
  lived(ms: number): void {
    if (ms >= this.#limits.maxMs) this.#nextMs = this.#limits.firstMs;
  }

  /** Rests, between half of the delay and all of it. Rejects when `signal` aborts. */
  async rest(signal: AbortSignal): Promise<void> {
    const delayMs = this.#nextMs * (0.5 + Math.random() / 2);
    this.#nextMs = Math.min(this.#nextMs * 2, this.#limits.maxMs);
    await sleep(delayMs, undefined, { signal });
  }
}
