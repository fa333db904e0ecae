// Runs a pattern on ASCII texts by RE2, which makes its automaton as it goes. Making it is what can take long, so that is counted: beyond a limit the text is left
// to a search in slices. Depends on the insides of re2js: how its automaton makes a state, and says that it gives up.

import { RE2JS } from "re2js";
import { emitRe2 } from "./emitRe2.ts";
import type { AsciiSet, PlainNode } from "./lowerRegex.ts";

/** Most memory that one pattern's states may take, in bytes; with less than it wants, it starts over. */
const STATE_MEMORY_BYTES = 128 * 1024;
/** Most parts of the pattern looked at to make states in one evaluation, a millisecond or two. */
const MAX_WORK = 20_000;
/** After so many texts that were too much, the pattern is not tried any more. */
const MAX_FAILURES = 3;

/** The automaton would take too long. */
class TooMuch extends Error {}

const TOO_MUCH = new TooMuch("too many states");

export class Re2Program {
  readonly #compiled: RE2JS;
  #work = 0;
  #failures = 0;

  /** @throws Error when RE2 refuses the pattern. */
  constructor(plain: PlainNode<AsciiSet>) {
    this.#compiled = RE2JS.compile(emitRe2(plain));
    const { dfa } = this.#compiled.re2Input;
    dfa.stateBudget = Math.min(dfa.stateBudget, STATE_MEMORY_BYTES);
    dfa.memBudget = Math.min(dfa.memBudget, STATE_MEMORY_BYTES);
    const makeState = dfa.makeState.bind(dfa);
    dfa.makeState = (parts: readonly unknown[], flag, ids) => {
      if (this.#work > MAX_WORK) throw TOO_MUCH;
      const state = makeState(parts, flag, ids) as { readonly nfaStates: readonly unknown[] } | null;
      this.#work += 10 + (state?.nfaStates.length ?? 0);
      return state;
    };
    const match = dfa.match.bind(dfa);
    dfa.match = (...text) => {
      const answer: unknown = match(...text);
      // Elsewise another engine would be tried, whose time is not counted.
      if (answer === null) throw TOO_MUCH;
      return answer;
    };
  }

  /** Parts looked at since the last `startOver`. */
  get work(): number {
    return this.#work;
  }

  /** A new evaluation begins: what it may take is counted from here. */
  startOver(): void {
    this.#work = 0;
  }

  /** Null when it would take too long. */
  test(text: string): boolean | null {
    if (this.#failures >= MAX_FAILURES) return null;
    try {
      return this.#compiled.test(text);
    } catch (error) {
      if (error !== TOO_MUCH) throw error;
      this.#failures++;
      return null;
    }
  }
}
