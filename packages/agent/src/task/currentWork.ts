// Says what the event loop was busy with while it stood still. Where work begins, its name is put down together with the time; what came before it has ended
// by then. What has no name of its own counts as part of what was named last, and so does the loop's rest until something else begins.

/** What ran longest, and how long. */
export interface LongestWork {
  /** Empty where it was nothing that is named. */
  readonly what: string;
  readonly ms: number;
}

/** One for the whole agent. */
export class CurrentWork {
  #what = "";
  #sinceMs = performance.now();
  #longestWhat = "";
  #longestMs = 0;

  /** Says that work begins. `what` is a constant: it may get into the admin's log. Returns the time, as `performance.now()`; that reading is all that it costs. */
  begin(what: string): number {
    const now = performance.now();
    const tookMs = now - this.#sinceMs;
    if (tookMs > this.#longestMs) {
      this.#longestMs = tookMs;
      this.#longestWhat = this.#what;
    }
    this.#what = what;
    this.#sinceMs = now;
    return now;
  }

  /** As `begin`, for what comes many times in a row: where the same was named last, it goes on, and the clock is not read. */
  goOn(what: string): void {
    if (what !== this.#what) this.begin(what);
  }

  /** When something was last said to begin, as `performance.now()`. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** The longest stretch since the last call. */
  takeLongest(): LongestWork {
    this.begin("");
    const longest = { what: this.#longestWhat, ms: this.#longestMs };
    this.#longestMs = 0;
    return longest;
  }
}
