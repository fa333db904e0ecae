// When a program that overran its limits may run again, how much time all overruns together may take, and how much one program that keeps
// its deadlines. The pod's share of the processor is everybody's: what one program burns, nobody gets.

/** Rests after the first, second, ... overrun; the one after the last is for good. */
const restsMs = [1_000, 4_000, 16_000, 64_000];
/** A program that behaved for so long starts again with a clean slate. */
const forgivenAfterMs = 10 * 60_000;

/** The overruns of one program. */
export class Cooldown {
  #overruns = 0;
  #restUntil = 0;

  /** Notes an overrun. Returns how long the program rests now; Infinity for good. */
  overrun(nowMs: number): number {
    if (nowMs - this.#restUntil > forgivenAfterMs) this.#overruns = 0;
    const rest = restsMs[this.#overruns++] ?? Infinity;
    this.#restUntil = nowMs + rest;
    return rest;
  }

  isResting(nowMs: number): boolean {
    return this.#overruns > 0 && nowMs < this.#restUntil;
  }
}

const burstMs = 5_000;
const refill = 0.05;
/** Far more than an honest program needs: a request takes some 30 µs. */
const leastMs = 50;

/** Time that overruns may burn: a burst, and a share in the long run. When it is used up, deadlines get short. */
export class OverrunBudget {
  #leftMs = burstMs;
  #at = 0;

  /** The deadline of one request, where `wantedMs` is set. */
  deadlineMs(wantedMs: number, nowMs: number): number {
    this.#fill(nowMs);
    return Math.min(wantedMs, Math.max(leastMs, this.#leftMs));
  }

  burn(ms: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#leftMs = Math.max(0, this.#leftMs - ms);
  }

  #fill(nowMs: number): void {
    this.#leftMs = Math.min(burstMs, this.#leftMs + Math.max(0, nowMs - this.#at) * refill);
    this.#at = nowMs;
  }
}

const shareBurstMs = 1_000;

/**
 * Computing time of one program: a burst, and a share of one processor in the long run. Waiting is counted as if it were computing, until
 * somebody looks what was computed.
 */
export class ComputeShare {
  readonly #share: () => number;
  #leftMs = shareBurstMs;
  #at: number;

  /** `share` is 0 to 1 and may change. */
  constructor(share: () => number, nowMs: number) {
    this.#share = share;
    this.#at = nowMs;
  }

  /** `ms` is negative for what turned out not to be used. */
  spend(ms: number): void {
    this.#leftMs -= ms;
  }

  isUsedUp(nowMs: number): boolean {
    this.#leftMs = Math.min(shareBurstMs, this.#leftMs + (nowMs - this.#at) * this.#share());
    this.#at = nowMs;
    return this.#leftMs <= 0;
  }
}
