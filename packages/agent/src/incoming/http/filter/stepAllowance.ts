// How much of the agent's time one filter may use. What it uses is a debt that is forgiven at a steady rate; a filter whose debt grows too large rests, longer
// each time, and counts as not matching meanwhile.

/** Steps forgiven in a millisecond: some twentieth of one processor. */
const FORGIVEN_STEPS_PER_MS = 3000;
/** Largest debt, in steps: two searches that had to be given up. */
const MAX_DEBT_STEPS = 8_000_000;
const FIRST_REST_MS = 1000;
const MAX_REST_MS = 60_000;
/** After so long without a rest, in ms, the next one is short again. */
const CALM_MS = 300_000;

export class StepAllowance {
  readonly #onRest: (restMs: number) => void;
  readonly #now: () => number;
  #debt = 0;
  #countedAt = 0;
  #restsUntil = 0;
  #restMs = FIRST_REST_MS;

  /** `onRest` is called whenever a rest begins. `now`: a clock in ms. */
  constructor(onRest: (restMs: number) => void, now: () => number = () => performance.now()) {
    this.#onRest = onRest;
    this.#now = now;
  }

  /** Whether the filter may be evaluated now. */
  get mayRun(): boolean {
    return this.#restsUntil === 0 || this.#now() >= this.#restsUntil;
  }

  spend(steps: number): void {
    const now = this.#now();
    this.#debt = Math.max(0, this.#debt - (now - this.#countedAt) * FORGIVEN_STEPS_PER_MS) + steps;
    this.#countedAt = now;
    if (this.#debt <= MAX_DEBT_STEPS) return;
    if (this.#restsUntil > 0 && now - this.#restsUntil > CALM_MS) this.#restMs = FIRST_REST_MS;
    const restMs = this.#restMs;
    this.#debt = 0;
    this.#restsUntil = now + restMs;
    this.#restMs = Math.min(restMs * 2, MAX_REST_MS);
    this.#onRest(restMs);
  }
}
