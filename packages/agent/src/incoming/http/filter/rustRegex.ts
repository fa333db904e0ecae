// Runs a pattern in Rust's syntax in linear time: as string searches where it is simple, else by RE2. For texts beyond ASCII, which are rare, and for assertions
// that RE2 lacks there is an own matcher. Nothing here can backtrack: for a pattern that needs it, there is a program to be run elsewhere, in slices.

import { type BacktrackProgram, compileBacktracking } from "./backtrackProgram.ts";
import { BacktrackSearch } from "./backtrackSearch.ts";
import { charTest, engineTest, oncePerProperty } from "./charTest.ts";
import { needsOwnMatcher } from "./emitRe2.ts";
import type { FilterText } from "./filterText.ts";
import { literalPlan, matchesPlan, requirement, type LiteralPlan, type Requirement } from "./literalPlan.ts";
import { asciiSet, lowerRegex, type AsciiSet, type PlainNode } from "./lowerRegex.ts";
import { defaultPatternLimits, parseRegex, type PatternLimits } from "./parseRegex.ts";
import { WORD, expandedSize, needsBacktracking, type Node } from "./regexSyntax.ts";
import type { SlicedSearch } from "./longSearches.ts";
import { Re2Program } from "./re2Program.ts";
import { SetMatcher, SetSearch } from "./setMatcher.ts";

/** Text length times pattern size up to which the own matcher runs at once, a few milliseconds at worst. */
const MAX_OWN_WORK = 250_000;

/** The pattern for any text. */
export function unicodeProgram(node: Node): SetMatcher {
  return new SetMatcher(lowerRegex(node, oncePerProperty(charTest)), engineTest(WORD, false));
}

/** The pattern for ASCII texts, `plain` being its form for them; null where RE2 does not take it. */
export function asciiProgram(plain: PlainNode<AsciiSet>): Re2Program | null {
  if (needsOwnMatcher(plain)) return null;
  try {
    return new Re2Program(plain);
  } catch {
    // It takes fewer repetitions inside of one another; the own matcher takes what the parser let through.
    return null;
  }
}

export class RustRegex {
  /** What any matching text must contain, for callers that can tell sooner. */
  readonly requirement: Requirement;
  /** Parts of the pattern once repetitions are written out: what compiling and running it cost. */
  readonly size: number;
  /** Null where the pattern runs in linear time. */
  readonly backtracking: BacktrackProgram | null;
  readonly #node: Node;
  readonly #plan: LiteralPlan | null;
  readonly #ascii: Re2Program | null;
  /** Made with the first text that needs it. */
  #unicode: SetMatcher | null = null;
  #ownWork = 0;

  /**
   * `ignoreCase`: as if the pattern began with `(?i)`.
   * @throws FilterError with the position when the pattern cannot be used.
   */
  constructor(pattern: string, ignoreCase = false, limits: PatternLimits = defaultPatternLimits) {
    this.#node = parseRegex(pattern, ignoreCase, limits);
    this.size = expandedSize(this.#node);
    const plain = lowerRegex(this.#node, oncePerProperty(asciiSet));
    this.requirement = requirement(plain);
    this.backtracking = needsBacktracking(this.#node) ? compileBacktracking(this.#node) : null;
    if (this.backtracking !== null) {
      this.#plan = this.#ascii = null;
      return;
    }
    this.#plan = literalPlan(plain);
    this.#ascii = this.#plan === null ? asciiProgram(plain) : null;
  }

  /** A new evaluation begins: what it may take is counted from here. */
  startOver(): void {
    this.#ascii?.startOver();
    this.#ownWork = 0;
  }

  /** What was done since `startOver` beyond reading texts, in steps of some ten nanoseconds. */
  get cost(): number {
    return 5 * (this.#ascii?.work ?? 0) + this.#ownWork;
  }

  /** Whether the pattern matches somewhere in the text; null when finding out at once would take too long. */
  test(text: FilterText): boolean | null {
    if (this.#plan !== null && text.isPlain) return matchesPlan(this.#plan, this.#plan.fold ? text.lower : text.text);
    if (!this.mayMatch(text)) return false;
    if (this.backtracking !== null) return null;
    if (text.isPlain && this.#ascii !== null) return this.#ascii.test(text.text);
    this.#ownWork += this.size * text.text.length;
    return this.#ownWork > MAX_OWN_WORK ? null : this.#own().test(text.text);
  }

  /** A search that goes in slices. */
  search(texts: readonly string[]): SlicedSearch {
    if (this.backtracking !== null) return new BacktrackSearch(this.backtracking, texts);
    return new SetSearch(this.#own(), texts);
  }

  /** Whether the text has what every match requires. */
  mayMatch(text: FilterText): boolean {
    if (!text.isPlain) return true;
    const { contained, prefix } = this.requirement;
    if (prefix !== "" && !text.lower.startsWith(prefix)) return false;
    return contained.length <= prefix.length || text.lower.includes(contained);
  }

  #own(): SetMatcher {
    return (this.#unicode ??= unicodeProgram(this.#node));
  }
}
