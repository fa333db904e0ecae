// A small matcher for what RE2 cannot express, for texts beyond ASCII and for long texts. It follows all alternatives side by side, so its time is the length of the
// text times the size of the pattern, whatever the pattern, and it can stop at any character and go on later.

import type { CharTest } from "./charTest.ts";
import type { PlainNode } from "./lowerRegex.ts";
import { MAX_STEPS, type SlicedSearch } from "./longSearches.ts";
import type { Assertion } from "./regexSyntax.ts";

type Step =
  | { readonly kind: "test"; readonly test: CharTest; readonly next: number }
  | { readonly kind: "assertion"; readonly assertion: Assertion; readonly next: number }
  | { readonly kind: "split"; readonly first: number; readonly second: number };

/** Number of the step that means a match; all others are indices. */
const MATCH = -1;
const NONE = -1;
const LF = 0x0a;
/** What following one alternative costs, in steps of a search. */
const STEPS_PER_TEST = 4;

/** A pattern made ready; it holds nothing of any text. */
export class SetMatcher {
  readonly steps: readonly Step[];
  readonly start: number;
  readonly isWord: CharTest;

  /** `isWord`: which characters are word characters. */
  constructor(node: PlainNode<CharTest>, isWord: CharTest) {
    const builder = new StepBuilder();
    this.start = builder.build(node, MATCH);
    this.steps = builder.steps;
    this.isWord = isWord;
  }

  /** Whether the pattern matches somewhere in the text. */
  test(text: string): boolean {
    return new SetSearch(this, [text]).run(Infinity) === true;
  }
}

/** Searches in texts, one after another. */
export class SetSearch implements SlicedSearch {
  readonly #matcher: SetMatcher;
  readonly #texts: readonly string[];
  #index = 0;
  #at = 0;
  #previous = NONE;
  /** Steps that wait for the character at the position. */
  #states: number[] = [];
  #waiting: number[] = [];
  /** For each step, the round in which it was last reached. */
  readonly #reached: Int32Array;
  #round = 0;
  #wordBefore = false;
  #wordAfter = false;
  #steps = 0;

  constructor(matcher: SetMatcher, texts: readonly string[]) {
    this.#matcher = matcher;
    this.#texts = texts;
    this.#reached = new Int32Array(matcher.steps.length);
  }

  get steps(): number {
    return this.#steps;
  }

  get hasOverrun(): boolean {
    return this.#steps >= MAX_STEPS;
  }

  run(steps: number): boolean | null {
    const until = Math.min(this.#steps + steps, MAX_STEPS);
    for (let text = this.#texts[this.#index]; text !== undefined; text = this.#texts[this.#index]) {
      while (this.#at <= text.length) {
        if (this.hasOverrun) return false;
        if (this.#steps >= until) return null;
        if (this.#advance(text)) return true;
      }
      this.#nextText();
    }
    return false;
  }

  #nextText(): void {
    this.#index++;
    this.#at = 0;
    this.#previous = NONE;
    this.#states.length = 0;
    this.#wordAfter = false;
  }

  /** Takes the next character, or the end; true when a match ends before it. */
  #advance(text: string): boolean {
    const { steps, start, isWord } = this.#matcher;
    const codePoint = this.#at < text.length ? text.codePointAt(this.#at)! : NONE;
    const waiting = this.#waiting;
    this.#round++;
    this.#wordBefore = this.#wordAfter;
    this.#wordAfter = codePoint !== NONE && isWord(codePoint);
    waiting.length = 0;
    for (const state of this.#states) if (this.#follow(state, waiting, codePoint)) return true;
    // A match may begin anywhere.
    if (this.#follow(start, waiting, codePoint)) return true;
    this.#states.length = 0;
    for (const index of waiting) {
      const step = steps[index]!;
      if (step.kind === "test" && codePoint !== NONE && step.test(codePoint)) this.#states.push(step.next);
    }
    this.#steps += 1 + waiting.length * STEPS_PER_TEST;
    this.#previous = codePoint;
    this.#at += codePoint > 0xffff ? 2 : 1;
    return false;
  }

  /** Adds to `into` the steps that wait for a character and can be reached from `from`; true when a match can. */
  #follow(from: number, into: number[], codePoint: number): boolean {
    const pending = [from];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (index === MATCH) return true;
      if (this.#reached[index] === this.#round) continue;
      this.#reached[index] = this.#round;
      const step = this.#matcher.steps[index]!;
      switch (step.kind) {
        case "test":
          into.push(index);
          break;
        case "assertion":
          if (this.#holds(step.assertion, this.#previous, codePoint)) pending.push(step.next);
          break;
        case "split":
          pending.push(step.first, step.second);
      }
    }
    return false;
  }

  #holds(assertion: Assertion, previous: number, next: number): boolean {
    switch (assertion) {
      case "textStart":
        return previous === NONE;
      case "textEnd":
        return next === NONE;
      case "lineStart":
        return previous === NONE || previous === LF;
      case "lineEnd":
        return next === NONE || next === LF;
      case "word":
        return this.#wordBefore !== this.#wordAfter;
      case "notWord":
        return this.#wordBefore === this.#wordAfter;
      case "wordStart":
        return !this.#wordBefore && this.#wordAfter;
      case "wordEnd":
        return this.#wordBefore && !this.#wordAfter;
      case "wordStartHalf":
        return !this.#wordBefore;
      case "wordEndHalf":
        return !this.#wordAfter;
    }
  }
}

class StepBuilder {
  readonly steps: Step[] = [];

  /** Builds the steps of `node`, going on at `next`; returns where they begin. */
  build(node: PlainNode<CharTest>, next: number): number {
    switch (node.kind) {
      case "leaf":
        return this.#add({ kind: "test", test: node.leaf, next });
      case "assertion":
        return this.#add({ kind: "assertion", assertion: node.assertion, next });
      case "concat":
        return node.parts.reduceRight((after, part) => this.build(part, after), next);
      case "alternation":
        return node.options
          .map((option) => this.build(option, next))
          .reduceRight((second, first) => this.#add({ kind: "split", first, second }));
      case "repeat":
        return this.#buildRepeat(node.child, node.min, node.max, next);
    }
  }

  #buildRepeat(child: PlainNode<CharTest>, min: number, max: number, next: number): number {
    let start = next;
    if (max === Infinity) {
      const loop = this.#add({ kind: "split", first: next, second: next });
      this.steps[loop] = { kind: "split", first: this.build(child, loop), second: next };
      start = loop;
    } else {
      for (let i = min; i < max; i++) {
        start = this.#add({ kind: "split", first: this.build(child, start), second: next });
      }
    }
    for (let i = 0; i < min; i++) start = this.build(child, start);
    return start;
  }

  #add(step: Step): number {
    return this.steps.push(step) - 1;
  }
}
