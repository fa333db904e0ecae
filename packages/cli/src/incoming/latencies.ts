// Percentiles of any number of durations in little memory: a count for each step of 5 %.

const STEP = Math.log(1.05);
const LEAST_MS = 0.01;
/** Up to 12 hours; longer ones count as that. */
const BUCKETS = 450;

export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  add(ms: number): void {
    const bucket = Math.floor(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / STEP);
    this.#counts[Math.min(bucket, BUCKETS - 1)]! += 1;
    this.#total += 1;
  }

  /** The duration in ms that this share of all did not exceed, within 5 %; null when there were none. `share` is from 0 to 1. */
  percentile(share: number): number | null {
    if (this.#total === 0) return null;
    let left = Math.ceil(share * this.#total);
    const bucket = this.#counts.findIndex((count) => (left -= count) <= 0);
    return LEAST_MS * Math.exp((bucket + 1) * STEP);
  }
}
