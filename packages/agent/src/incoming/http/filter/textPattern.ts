// One pattern of a filter with what it takes to run it: at once where it runs in linear time, else at once for a few steps and then in slices.

import type { FilterMeans } from "./compiledFilter.ts";
import type { FilterText } from "./filterText.ts";
import { type FilterSeconds, timed } from "./filterTime.ts";
import type { LongSearches, SlicedSearch } from "./longSearches.ts";
import { OnceEach } from "./onceEach.ts";
import { RustRegex } from "./rustRegex.ts";
import { StepAllowance } from "./stepAllowance.ts";

/** Steps that a search may make at once, some tenths of a millisecond. */
const FIRST_STEPS = 20_000;

export class TextPattern {
  readonly regex: RustRegex;
  readonly #pattern: string;
  readonly #longSearches: LongSearches;
  readonly #allowance: StepAllowance;
  readonly #problems: OnceEach;
  readonly #overruns: { add(n?: number): void };
  readonly #seconds: FilterSeconds;

  /**
   * `ignoreCase`: as if the pattern began with `(?i)`.
   * @throws FilterError
   */
  constructor(pattern: string, ignoreCase: boolean, { services, onProblem }: FilterMeans) {
    this.regex = new RustRegex(pattern, ignoreCase);
    this.#pattern = pattern;
    this.#longSearches = services.longSearches;
    this.#overruns = services.overruns;
    this.#seconds = services.seconds;
    this.#problems = new OnceEach(onProblem);
    this.#allowance = new StepAllowance(() => {
      this.#problems.tell(`${this.#name} takes too much time: it is left out for a while now and then, and does not match meanwhile`);
    });
  }

  /** Whether some text matches. */
  matchesAny(texts: readonly FilterText[]): boolean | Promise<boolean> {
    const { regex } = this;
    const slow: string[] = [];
    regex.startOver();
    for (const text of texts) {
      const answer = regex.test(text);
      if (answer === true) return true;
      if (answer === null) slow.push(text.text);
    }
    return this.searchAny(slow);
  }

  /** The same for texts on which the pattern has no answer at once. */
  searchAny(texts: readonly string[]): boolean | Promise<boolean> {
    return texts.length > 0 && timed(this.#seconds, "backtracking", () => this.#search(texts));
  }

  #search(texts: readonly string[]): boolean | Promise<boolean> {
    if (!this.#allowance.mayRun) {
      this.#overruns.add();
      return false;
    }
    const search = this.regex.search(texts);
    const answer = search.run(FIRST_STEPS);
    if (answer === null) return this.#searchInSlices(texts);
    this.#account(search);
    return answer;
  }

  /** Starts anew, so that what waits for its turn holds no more than its texts. */
  #searchInSlices(texts: readonly string[]): boolean | Promise<boolean> {
    const waiting = this.#longSearches.search(
      this,
      () => this.regex.search(texts),
      (search) => this.#account(search),
    );
    if (waiting === null) this.#problems.tell(`${this.#name} has too many requests to look at: some do not match`);
    return waiting ?? false;
  }

  #account({ steps, hasOverrun }: SlicedSearch): void {
    this.#allowance.spend(steps);
    if (!hasOverrun) return;
    this.#overruns.add();
    this.#problems.tell(`${this.#name} takes too long on some request, which does not match then`);
  }

  get #name(): string {
    const { length } = this.#pattern;
    return `the filter's pattern ${JSON.stringify(length > 100 ? `${this.#pattern.slice(0, 100)}…` : this.#pattern)}`;
  }
}
