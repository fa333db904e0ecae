// A bound for what a peer may make us do without getting anything done itself: streams that it opens and resets at once (CVE-2023-44487), pings, settings, empty frames. A burst is
// fine; a peer that goes on faster than the allowance refills is cut off.

import { ConnectionError, ErrorCode } from "./errors.ts";

export interface FloodLimits {
  /** How many at once. */
  readonly burst: number;
  readonly perSecond: number;
}

export class FloodGuard {
  readonly #what: string;
  readonly #limits: FloodLimits;
  #allowance: number;
  #atMs = performance.now();

  constructor(what: string, limits: FloodLimits) {
    this.#what = what;
    this.#limits = limits;
    this.#allowance = limits.burst;
  }

  /** @throws ConnectionError when there were too many. */
  count(): void {
    this.#allowance -= 1;
    if (this.#allowance >= 0) return;
    const now = performance.now();
    const { burst, perSecond } = this.#limits;
    this.#allowance = Math.min(burst, this.#allowance + ((now - this.#atMs) / 1000) * perSecond);
    this.#atMs = now;
    if (this.#allowance < 0) throw new ConnectionError(ErrorCode.enhanceYourCalm, `too many ${this.#what}`);
  }
}
