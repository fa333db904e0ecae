// Runs a backtracking program over texts, in slices: it can be stopped after any number of steps and gone on with, so nothing waits for it. What it tries and
// keeps is bounded; beyond, the search is given up and counts as no match.

import { ASSERTIONS, OP, STRIDE, TABLE_SIZE } from "./backtrackCode.ts";
import type { BacktrackProgram } from "./backtrackProgram.ts";
import { MAX_STEPS, type SlicedSearch } from "./longSearches.ts";
import type { Assertion } from "./regexSyntax.ts";

/** Most alternatives and old values kept, each; a few MiB. */
const MAX_KEPT = 100_000;
/** Numbers that an alternative takes: instruction, position, length of the trail, and for a run the least position. */
const CHOICE = 4;
/** Numbers that an old value takes: slot and value. */
const OLD_VALUE = 2;
/** Characters that a run takes in one step. */
const RUN_PER_STEP = 4;

const UNSET = -1;
const LF = 0x0a;

type Outcome = "match" | "noMatch" | "unfinished";

export class BacktrackSearch implements SlicedSearch {
  readonly #program: BacktrackProgram;
  readonly #texts: readonly string[];
  /** Which text is searched. */
  #index = -1;
  /** Its code points. */
  #characters: Uint32Array = new Uint32Array(0);
  /** Where the attempt began. */
  #start = 0;
  #at = 0;
  #position = 0;
  readonly #slots: Int32Array;
  /** What else can be tried. */
  #choices = new Int32Array(64 * CHOICE);
  #choicesEnd = 0;
  /** What slots held before, since there was something else to try. */
  #trail = new Int32Array(64 * OLD_VALUE);
  #trailEnd = 0;
  #steps = 0;
  #hasOverrun = false;

  constructor(program: BacktrackProgram, texts: readonly string[]) {
    this.#program = program;
    this.#texts = texts;
    this.#slots = new Int32Array(program.slots);
    this.#nextText();
  }

  get steps(): number {
    return this.#steps;
  }

  get hasOverrun(): boolean {
    return this.#hasOverrun;
  }

  run(steps: number): boolean | null {
    const until = Math.min(this.#steps + steps, MAX_STEPS);
    while (this.#index < this.#texts.length) {
      const outcome = this.#attempt(until);
      if (outcome === "match") return true;
      this.#hasOverrun ||= this.#steps >= MAX_STEPS;
      if (this.#hasOverrun) return false;
      if (outcome === "unfinished") return null;
      this.#nextStart();
    }
    return false;
  }

  #nextText(): void {
    this.#index++;
    const text = this.#texts[this.#index];
    if (text === undefined) return;
    this.#characters = codePoints(text);
    this.#begin(0);
  }

  #nextStart(): void {
    if (this.#program.isAnchored || this.#start === this.#characters.length) this.#nextText();
    else this.#begin(this.#start + 1);
  }

  #begin(start: number): void {
    this.#start = start;
    this.#position = start;
    this.#at = 0;
    this.#choicesEnd = 0;
    this.#trailEnd = 0;
    this.#slots.fill(UNSET);
  }

  /** Goes on until the attempt is decided or `until` steps were made in all. */
  #attempt(until: number): Outcome {
    const { numbers, tables } = this.#program.code;
    const characters = this.#characters;
    const { length } = characters;
    let at = this.#at;
    let position = this.#position;
    while (this.#steps < until && !this.#hasOverrun) {
      this.#steps++;
      let holds = true;
      const here = at;
      at += STRIDE;
      switch (numbers[here]) {
        case OP.match:
          return "match";
        case OP.char:
          holds = position < length && characters[position++] === numbers[here + 1];
          break;
        case OP.set:
          holds = position < length && this.#isIn(tables, numbers[here + 1]!, characters[position++]!);
          break;
        case OP.run: {
          const end = this.#runEnd(numbers[here + 1]!, position, numbers[here + 3]!);
          const least = position + numbers[here + 2]!;
          if (end > least) this.#choose(at, end - 1, least);
          holds = end >= least;
          position = end;
          break;
        }
        case OP.split:
          at = numbers[here + 1]!;
          this.#choose(numbers[here + 2]!, position, position);
          break;
        case OP.jump:
          at = numbers[here + 1]!;
          break;
        case OP.save:
          this.#save(numbers[here + 1]!, position);
          break;
        case OP.assertion:
          holds = this.#holds(ASSERTIONS[numbers[here + 1]!]!, position);
          break;
        case OP.searchStart:
          holds = position === 0;
          break;
        case OP.restore:
          position = this.#slots[numbers[here + 1]!]!;
          break;
        case OP.progress:
          if (this.#slots[numbers[here + 1]!] === position) at = numbers[here + 2]!;
          break;
        case OP.repeat: {
          const next = this.#repeat(here, at, position);
          holds = next !== UNSET;
          at = next;
          break;
        }
        case OP.back:
          position -= numbers[here + 1]!;
          holds = position >= 0;
          break;
        case OP.backReference: {
          const from = this.#slots[numbers[here + 1]!]!;
          const to = this.#slots[numbers[here + 1]! + 1]!;
          holds = from !== UNSET && to !== UNSET && this.#isRepeated(from, to, position);
          position += to - from;
          break;
        }
        default:
          holds = this.#keep(here);
      }
      if (holds) continue;
      if (this.#choicesEnd === 0) return "noMatch";
      at = this.#backtrack();
      position = this.#position;
    }
    this.#at = at;
    this.#position = position;
    return "unfinished";
  }

  #isIn(tables: Uint8Array, set: number, codePoint: number): boolean {
    return codePoint < TABLE_SIZE ? tables[set * TABLE_SIZE + codePoint] === 1 : this.#program.code.tests[set]!(codePoint);
  }

  #runEnd(set: number, position: number, max: number): number {
    const { tables } = this.#program.code;
    const end = Math.min(this.#characters.length, position + max);
    let at = position;
    while (at < end && this.#isIn(tables, set, this.#characters[at]!)) at++;
    this.#steps += Math.floor((at - position) / RUN_PER_STEP);
    return at;
  }

  /** Where a repetition goes on; UNSET when it fails. */
  #repeat(here: number, inside: number, position: number): number {
    const { numbers } = this.#program.code;
    const min = numbers[here + 1]!;
    const count = numbers[here + 4]!;
    const check = numbers[here + 5]!;
    const next = numbers[here + 6]!;
    const done = this.#slots[count]!;
    if (done === numbers[here + 2]) return next;
    if (check !== UNSET && done > min && this.#slots[check] === position) return UNSET;
    this.#save(count, done + 1);
    if (done < min) return inside;
    if (check !== UNSET) this.#save(check, position);
    const isGreedy = numbers[here + 3] === 1;
    this.#choose(isGreedy ? next : inside, position, position);
    return isGreedy ? inside : next;
  }

  /** Instructions that only look at or change what is kept. */
  #keep(here: number): boolean {
    const { numbers } = this.#program.code;
    const slot = numbers[here + 1]!;
    switch (numbers[here]) {
      case OP.zero:
        this.#save(slot, 0);
        return true;
      case OP.forget:
        for (let each = slot; each < numbers[here + 2]!; each++) this.#save(each, UNSET);
        return true;
      case OP.mark:
        this.#save(slot, this.#choicesEnd);
        return true;
      case OP.cut:
        this.#choicesEnd = this.#slots[slot]!;
        if (this.#choicesEnd === 0) this.#trailEnd = 0;
        return true;
      case OP.groupSet:
        return this.#slots[slot] !== UNSET;
      default:
        return false;
    }
  }

  /** Remembers to go on at `at` and `position`, and then at each position before, down to `least`. */
  #choose(at: number, position: number, least: number): void {
    const end = this.#choicesEnd;
    if (end === this.#choices.length) this.#choices = this.#grown(this.#choices, CHOICE);
    this.#choices[end] = at;
    this.#choices[end + 1] = position;
    this.#choices[end + 2] = this.#trailEnd;
    this.#choices[end + 3] = least;
    this.#choicesEnd = end + CHOICE;
  }

  #save(slot: number, value: number): void {
    if (this.#choicesEnd > 0) {
      const end = this.#trailEnd;
      if (end === this.#trail.length) this.#trail = this.#grown(this.#trail, OLD_VALUE);
      this.#trail[end] = slot;
      this.#trail[end + 1] = this.#slots[slot]!;
      this.#trailEnd = end + OLD_VALUE;
    }
    this.#slots[slot] = value;
  }

  #grown(list: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
    if (list.length >= MAX_KEPT * size) this.#hasOverrun = true;
    const longer = new Int32Array(list.length * 2);
    longer.set(list);
    return longer;
  }

  /** Goes back to what was remembered last; returns where to go on. */
  #backtrack(): number {
    const choice = this.#choicesEnd - CHOICE;
    const kept = this.#choices[choice + 2]!;
    while (this.#trailEnd > kept) {
      this.#trailEnd -= OLD_VALUE;
      this.#slots[this.#trail[this.#trailEnd]!] = this.#trail[this.#trailEnd + 1]!;
    }
    const position = this.#choices[choice + 1]!;
    if (position > this.#choices[choice + 3]!) this.#choices[choice + 1] = position - 1;
    else this.#choicesEnd = choice;
    this.#position = position;
    return this.#choices[choice]!;
  }

  #isRepeated(from: number, to: number, position: number): boolean {
    const characters = this.#characters;
    if (position + to - from > characters.length) return false;
    this.#steps += Math.floor((to - from) / RUN_PER_STEP);
    for (let i = 0; i < to - from; i++) if (characters[from + i] !== characters[position + i]) return false;
    return true;
  }

  #holds(assertion: Assertion, at: number): boolean {
    const characters = this.#characters;
    const isStart = at === 0;
    const isEnd = at === characters.length;
    switch (assertion) {
      case "textStart":
        return isStart;
      case "textEnd":
        return isEnd;
      case "lineStart":
        return isStart || characters[at - 1] === LF;
      case "lineEnd":
        return isEnd || characters[at] === LF;
      default:
        return holdsAtWords(assertion, !isStart && this.#isWord(characters[at - 1]!), !isEnd && this.#isWord(characters[at]!));
    }
  }

  #isWord(codePoint: number): boolean {
    if (codePoint >= TABLE_SIZE) return this.#program.isWord(codePoint);
    const lower = codePoint | 0x20;
    return (lower >= 0x61 && lower <= 0x7a) || (codePoint >= 0x30 && codePoint <= 0x39) || codePoint === 0x5f;
  }
}

function codePoints(text: string): Uint32Array {
  const points = new Uint32Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i)!;
    if (point > 0xffff) i++;
    points[count++] = point;
  }
  return points.subarray(0, count);
}

function holdsAtWords(
  assertion: Exclude<Assertion, "textStart" | "textEnd" | "lineStart" | "lineEnd">,
  before: boolean,
  after: boolean,
): boolean {
  switch (assertion) {
    case "word":
      return before !== after;
    case "notWord":
      return before === after;
    case "wordStart":
      return !before && after;
    case "wordEnd":
      return before && !after;
    case "wordStartHalf":
      return !before;
    case "wordEndHalf":
      return !after;
  }
}
