// A small matcher for what RE2 cannot express and for texts beyond ASCII. It follows all alternatives side by side, so its time is
// the length of the text times the size of the pattern, whatever the pattern.

import type { CharTest } from "./charTest.ts";
import type { PlainNode } from "./lowerRegex.ts";
import type { Assertion } from "./regexSyntax.ts";

type Step =
  | { readonly kind: "test"; readonly test: CharTest; readonly next: number }
  | { readonly kind: "assertion"; readonly assertion: Assertion; readonly next: number }
  | { readonly kind: "split"; readonly first: number; readonly second: number };

/** Number of the step that means a match; all others are indices. */
const MATCH = -1;
const NONE = -1;
/** Most steps tried on one text, some tens of milliseconds; a longer search counts as no match. */
const MAX_WORK = 1_000_000;
const LF = 0x0a;

/** Whether a pattern matches somewhere in a text. Keeps its work space between calls. */
export class SetMatcher {
  readonly #steps: Step[] = [];
  readonly #start: number;
  readonly #isWord: CharTest;
  /** For each step, the round in which it was last reached. */
  readonly #reached: Int32Array;
  #round = 0;
  #wordBefore = false;
  #wordAfter = false;

  /** `isWord`: which characters are word characters. */
  constructor(node: PlainNode<CharTest>, isWord: CharTest) {
    this.#isWord = isWord;
    this.#start = this.#build(node, MATCH);
    this.#reached = new Int32Array(this.#steps.length);
  }

  test(text: string): boolean {
    const states: number[] = [];
    const waiting: number[] = [];
    let previous = NONE;
    this.#reached.fill(0);
    this.#round = 0;
    this.#wordAfter = false;
    let work = 0;
    for (let at = 0; ;) {
      const codePoint = at < text.length ? text.codePointAt(at)! : NONE;
      this.#round++;
      this.#wordBefore = this.#wordAfter;
      this.#wordAfter = codePoint !== NONE && this.#isWord(codePoint);
      waiting.length = 0;
      for (const state of states) if (this.#follow(state, waiting, previous, codePoint)) return true;
      // A match may begin anywhere.
      if (this.#follow(this.#start, waiting, previous, codePoint)) return true;
      if (codePoint === NONE) return false;
      work += waiting.length;
      if (work > MAX_WORK) return false;
      states.length = 0;
      for (const index of waiting) {
        const step = this.#steps[index]!;
        if (step.kind === "test" && step.test(codePoint)) states.push(step.next);
      }
      previous = codePoint;
      at += codePoint > 0xffff ? 2 : 1;
    }
  }

  /** Adds to `into` the steps that wait for a character and can be reached from `from`; true when a match can. */
  #follow(from: number, into: number[], previous: number, codePoint: number): boolean {
    const pending = [from];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (index === MATCH) return true;
      if (this.#reached[index] === this.#round) continue;
      this.#reached[index] = this.#round;
      const step = this.#steps[index]!;
      switch (step.kind) {
        case "test":
          into.push(index);
          break;
        case "assertion":
          if (this.#holds(step.assertion, previous, codePoint)) pending.push(step.next);
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

  /** Builds the steps of `node`, going on at `next`; returns where they begin. */
  #build(node: PlainNode<CharTest>, next: number): number {
    switch (node.kind) {
      case "leaf":
        return this.#add({ kind: "test", test: node.leaf, next });
      case "assertion":
        return this.#add({ kind: "assertion", assertion: node.assertion, next });
      case "concat":
        return node.parts.reduceRight((after, part) => this.#build(part, after), next);
      case "alternation":
        return node.options
          .map((option) => this.#build(option, next))
          .reduceRight((second, first) => this.#add({ kind: "split", first, second }));
      case "repeat":
        return this.#buildRepeat(node.child, node.min, node.max, next);
    }
  }

  #buildRepeat(child: PlainNode<CharTest>, min: number, max: number, next: number): number {
    let start = next;
    if (max === Infinity) {
      const loop = this.#add({ kind: "split", first: next, second: next });
      this.#steps[loop] = { kind: "split", first: this.#build(child, loop), second: next };
      start = loop;
    } else {
      for (let i = min; i < max; i++) {
        start = this.#add({ kind: "split", first: this.#build(child, start), second: next });
      }
    }
    for (let i = 0; i < min; i++) start = this.#build(child, start);
    return start;
  }

  #add(step: Step): number {
    return this.#steps.push(step) - 1;
  }
}
