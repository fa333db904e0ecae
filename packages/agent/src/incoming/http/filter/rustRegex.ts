// Runs a pattern in Rust's syntax in linear time: as string searches where it is simple, else by RE2. For texts beyond
// ASCII, which are rare, and for assertions that RE2 lacks there is an own matcher. Nothing here can backtrack.

import { RE2JS } from "re2js";
import { charTest, engineTest } from "./charTest.ts";
import { emitRe2, needsOwnMatcher } from "./emitRe2.ts";
import { FilterError } from "./filterError.ts";
import type { FilterText } from "./filterText.ts";
import { literalPlan, matchesPlan, requirement, type LiteralPlan, type Requirement } from "./literalPlan.ts";
import { asciiSet, lowerRegex, type AsciiSet, type PlainNode } from "./lowerRegex.ts";
import { defaultPatternLimits, expandedSize, parseRegex, type PatternLimits } from "./parseRegex.ts";
import { WORD, type Node } from "./regexSyntax.ts";
import { SetMatcher } from "./setMatcher.ts";

/**
 * Text length times pattern size up to which RE2 runs, some tens of milliseconds at worst. Beyond, the own matcher does,
 * which gives up after a fixed amount of work: only a hostile pattern meets a text so long.
 */
const MAX_ENGINE_WORK = 8_000_000;

/**
 * Most memory that one pattern's states may take, in bytes. The engine's own default is 8 MiB; with less it starts over
 * or falls back to following all alternatives at once.
 */
const STATE_MEMORY_BYTES = 128 * 1024;

/** A pattern made ready to run. */
export interface RegexProgram {
  test(text: string): boolean;
}

/** The pattern for any text. */
export function unicodeProgram(node: Node): RegexProgram {
  return new SetMatcher(lowerRegex(node, charTest), engineTest(WORD, false));
}

/**
 * The pattern for ASCII texts, `plain` being its form for them.
 * @throws FilterError when the engine refuses the translated pattern.
 */
export function asciiProgram(node: Node, plain: PlainNode<AsciiSet>): RegexProgram {
  if (needsOwnMatcher(plain)) return unicodeProgram(node);
  try {
    const compiled = RE2JS.compile(emitRe2(plain));
    const { dfa } = compiled.re2Input;
    dfa.stateBudget = Math.min(dfa.stateBudget, STATE_MEMORY_BYTES);
    dfa.memBudget = Math.min(dfa.memBudget, STATE_MEMORY_BYTES);
    return compiled;
  } catch (error) {
    throw new FilterError("pattern is too large or not supported by the linear-time engine", { cause: error });
  }
}

export class RustRegex {
  /** What any matching text must contain, for callers that can tell sooner. */
  readonly requirement: Requirement;
  /** Parts of the pattern once repetitions are written out: what compiling and running it cost. */
  readonly size: number;
  readonly #node: Node;
  readonly #plan: LiteralPlan | null;
  readonly #ascii: RegexProgram | null;
  /** Made with the first text that needs it. */
  #unicode: RegexProgram | null = null;

  /**
   * `ignoreCase`: as if the pattern began with `(?i)`.
   * @throws FilterError with the position when the pattern cannot be used.
   */
  constructor(pattern: string, ignoreCase = false, limits: PatternLimits = defaultPatternLimits) {
    this.#node = parseRegex(pattern, ignoreCase, limits);
    this.size = expandedSize(this.#node);
    const plain = lowerRegex(this.#node, asciiSet);
    this.requirement = requirement(plain);
    this.#plan = literalPlan(plain);
    this.#ascii = this.#plan === null ? asciiProgram(this.#node, plain) : null;
  }

  /** Whether the pattern matches somewhere in the text. */
  test(text: FilterText): boolean {
    if (!text.isPlain) return this.#testSlowly(text.text);
    const plan = this.#plan;
    if (plan !== null) return matchesPlan(plan, plan.fold ? text.lower : text.text);
    const { contained, prefix } = this.requirement;
    if (prefix !== "" && !text.lower.startsWith(prefix)) return false;
    if (contained.length > prefix.length && !text.lower.includes(contained)) return false;
    if (this.#ascii === null || this.size * text.text.length > MAX_ENGINE_WORK) return this.#testSlowly(text.text);
    return this.#ascii.test(text.text);
  }

  #testSlowly(text: string): boolean {
    return (this.#unicode ??= unicodeProgram(this.#node)).test(text);
  }
}
