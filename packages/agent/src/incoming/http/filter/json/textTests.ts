// The patterns of JSONPath's `match` and `search`, which may stand in the query or in the body itself. They run in linear time only; what needs backtracking, is
// wrong or too large does not match, as RFC 9535 wants it of a pattern that is not well-formed.

import { FilterError } from "../filterError.ts";
import { FilterText } from "../filterText.ts";
import { defaultPatternLimits } from "../parseRegex.ts";
import { RustRegex } from "../rustRegex.ts";
import { OutOfSteps, type StepBudget } from "./stepBudget.ts";

/** Most patterns kept ready. */
const MAX_KEPT = 32;
/** What compiling costs for each character of a pattern, in steps. */
const COMPILE_STEPS = 50;

const LIMITS = { ...defaultPatternLimits, patternMaxLength: 1024, maxExpandedSize: 1000, dotExcludesCarriageReturn: true };

export class TextTests {
  readonly #kept = new Map<string, RustRegex | null>();

  /** Whether the pattern matches the whole text or a part of it. @throws OutOfSteps */
  test(what: "whole" | "part", pattern: string, text: string, budget: StepBudget): boolean {
    const regex = this.#regex(what === "whole" ? `^(${pattern})$` : `(${pattern})`, budget);
    if (regex === null) return false;
    budget.spend(1 + text.length / 32);
    regex.startOver();
    const answer = regex.test(new FilterText(text));
    budget.spend(regex.cost);
    if (answer === null) throw new OutOfSteps();
    return answer;
  }

  #regex(pattern: string, budget: StepBudget): RustRegex | null {
    let regex = this.#kept.get(pattern);
    if (regex === undefined) {
      budget.spend(COMPILE_STEPS * Math.min(pattern.length, LIMITS.patternMaxLength));
      regex = compiled(pattern);
      this.#keep(pattern, regex);
    }
    return regex;
  }

  #keep(pattern: string, regex: RustRegex | null): void {
    if (pattern.length > LIMITS.patternMaxLength) return;
    const oldest = this.#kept.keys().next();
    if (this.#kept.size >= MAX_KEPT && oldest.done !== true) this.#kept.delete(oldest.value);
    this.#kept.set(pattern, regex);
  }
}

function compiled(pattern: string): RustRegex | null {
  try {
    const regex = new RustRegex(pattern, false, LIMITS);
    return regex.backtracking === null ? regex : null;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return null;
  }
}
