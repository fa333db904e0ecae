// Turns a pattern that needs backtracking into a program for `BacktrackSearch`. What may be tried again and what is decided once follows fancy-regex 0.14:
// there, stretches without look-around or references are left to an engine that gives one answer, and they are not entered again. Such stretches are
// closed here in the same places, so that both find the same.

import { assemble, type BacktrackCode } from "./backtrackCode.ts";
import { charTest, engineTest, oncePerProperty, type CharTest } from "./charTest.ts";
import { FilterError } from "./filterError.ts";
import { type Assertion, childrenOf, WORD, type LeafNode, type Node } from "./regexSyntax.ts";
import { type Shape, shapeOf } from "./regexShape.ts";

export type Instruction =
  | { readonly op: "char"; readonly codePoint: number }
  | { readonly op: "set"; readonly test: CharTest }
  /** As many characters of a set as there are, fewer when that fails. */
  | { readonly op: "run"; readonly test: CharTest; readonly min: number; readonly max: number }
  | { readonly op: "assertion"; readonly assertion: Assertion }
  | { readonly op: "searchStart" }
  /** Goes on at `first`, and when that fails at `second`. */
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; target: number }
  /** Stores the position, or zero, in a slot. */
  | { readonly op: "save"; readonly slot: number }
  | { readonly op: "zero"; readonly slot: number }
  /** Forgets the slots from `from` on, before `to`. */
  | { readonly op: "forget"; readonly from: number; readonly to: number }
  /** Goes back to the position in a slot. */
  | { readonly op: "restore"; readonly slot: number }
  /** Fails, or with `target` goes on there, when nothing was consumed since the slot was saved. */
  | { readonly op: "progress"; readonly slot: number; target: number }
  | {
      readonly op: "repeat";
      readonly min: number;
      readonly max: number;
      readonly isGreedy: boolean;
      readonly count: number;
      readonly check: number;
      next: number;
    }
  | { readonly op: "back"; readonly characters: number }
  /** Remembers in a slot what could be tried instead, and forgets what came to that since. */
  | { readonly op: "mark"; readonly slot: number }
  | { readonly op: "cut"; readonly slot: number }
  | { readonly op: "fail" }
  | { readonly op: "backReference"; readonly slot: number }
  | { readonly op: "groupSet"; readonly slot: number }
  | { readonly op: "match" };

export interface BacktrackProgram {
  readonly code: BacktrackCode;
  /** Two for each group, group 0 first, then those of the program's own. */
  readonly slots: number;
  /** Whether a match can begin at the start of the text only. */
  readonly isAnchored: boolean;
  /** Which characters beyond ASCII are word characters. */
  readonly isWord: CharTest;
}

/** Most instructions; repetitions are not written out. */
const MAX_INSTRUCTIONS = 20_000;

/** @throws FilterError */
export function compileBacktracking(node: Node): BacktrackProgram {
  return new Compiler(node).program;
}

const NEVER = -1;

class Compiler {
  readonly program: BacktrackProgram;
  readonly #instructions: Instruction[] = [];
  readonly #shapes = new Map<Node, Shape>();
  readonly #test = oncePerProperty(charTest);
  #slots: number;

  constructor(node: Node) {
    this.#slots = 2 * (captures(node).length + 1);
    this.#visit(node, true);
    this.#add({ op: "match" });
    this.program = {
      code: assemble(this.#instructions),
      slots: this.#slots,
      isAnchored: startsText(node),
      isWord: engineTest(WORD, false),
    };
  }

  get #next(): number {
    return this.#instructions.length;
  }

  #add<T extends Instruction>(instruction: T): T {
    if (this.#instructions.length >= MAX_INSTRUCTIONS) throw new FilterError("pattern is too large");
    this.#instructions.push(instruction);
    return instruction;
  }

  #shape(node: Node): Shape {
    return shapeOf(node, this.#shapes);
  }

  /** `isOpen`: what comes after may have to try this again. */
  #visit(node: Node, isOpen: boolean): void {
    if (!isOpen && !this.#shape(node).isHard) {
      this.#closed([node]);
      return;
    }
    switch (node.kind) {
      case "empty":
      case "keepOut":
        return;
      case "char":
      case "class":
      case "any":
        this.#leaf(node);
        return;
      case "assertion":
      case "searchStart":
        this.#add(node.kind === "assertion" ? { op: "assertion", assertion: node.assertion } : { op: "searchStart" });
        return;
      case "group":
        this.#add({ op: "save", slot: node.capture * 2 });
        this.#visit(node.child, isOpen);
        this.#add({ op: "save", slot: node.capture * 2 + 1 });
        return;
      case "concat":
        this.#concat(node.parts, isOpen);
        return;
      case "alternation":
        this.#alternatives(node.options, (option) => this.#visit(option, isOpen));
        return;
      case "repeat":
        this.#repeat(node, isOpen);
        return;
      case "look":
        this.#look(node);
        return;
      case "atomic": {
        const slot = this.#slots++;
        this.#add({ op: "mark", slot });
        this.#visit(node.child, false);
        this.#add({ op: "cut", slot });
        return;
      }
      case "backReference":
      case "groupSet":
        this.#add({ op: node.kind, slot: node.capture * 2 });
        return;
      case "conditional":
        this.#conditional(node, isOpen);
    }
  }

  #leaf(node: LeafNode): void {
    if (node.kind === "char" && !node.fold) this.#add({ op: "char", codePoint: node.codePoint });
    else this.#add({ op: "set", test: this.#test(node) });
  }

  /** The repetition as a run, where it is one of single characters. */
  #isRun({ child, min, max, isGreedy }: Extract<Node, { kind: "repeat" }>): boolean {
    if (!isGreedy || (child.kind !== "char" && child.kind !== "class" && child.kind !== "any")) return false;
    this.#add({ op: "run", test: this.#test(child), min, max });
    return true;
  }

  #concat(parts: readonly Node[], isOpen: boolean): void {
    const isFixed = (part: Node): boolean => !this.#shape(part).isHard && this.#shape(part).isFixedSize;
    const isClosed = (part: Node): boolean => (isOpen ? isFixed(part) : !this.#shape(part).isHard);
    let start = 0;
    while (start < parts.length && isFixed(parts[start]!)) start++;
    let end = parts.length;
    while (end > start && isClosed(parts[end - 1]!)) end--;
    this.#closed(parts.slice(0, start));
    for (const part of parts.slice(start, end)) this.#visit(part, true);
    this.#closed(parts.slice(end));
  }

  /** Parts that give one answer. What took no part in it is forgotten. */
  #closed(parts: readonly Node[]): void {
    const groups = parts.flatMap(captures);
    if (groups.length > 0) this.#add({ op: "forget", from: 2 * Math.min(...groups), to: 2 * Math.max(...groups) + 2 });
    const hasChoice = parts.some(canChoose);
    const slot = hasChoice ? this.#slots++ : NEVER;
    if (hasChoice) this.#add({ op: "mark", slot });
    for (const part of parts) this.#plain(part);
    if (hasChoice) this.#add({ op: "cut", slot });
  }

  /** A part without anything hard inside. */
  #plain(node: Node): void {
    switch (node.kind) {
      case "group":
        this.#add({ op: "save", slot: node.capture * 2 });
        this.#plain(node.child);
        this.#add({ op: "save", slot: node.capture * 2 + 1 });
        return;
      case "concat":
        for (const part of node.parts) this.#plain(part);
        return;
      case "alternation":
        this.#alternatives(node.options, (option) => this.#plain(option));
        return;
      case "repeat":
        this.#plainRepeat(node);
        return;
      default:
        this.#visit(node, true);
    }
  }

  #alternatives(options: readonly Node[], visit: (option: Node) => void): void {
    const jumps: { target: number }[] = [];
    options.forEach((option, index) => {
      if (index === options.length - 1) {
        visit(option);
        return;
      }
      const split = this.#add({ op: "split", first: this.#next + 1, second: NEVER });
      visit(option);
      jumps.push(this.#add({ op: "jump", target: NEVER }));
      split.second = this.#next;
    });
    for (const jump of jumps) jump.target = this.#next;
  }

  #repeat(node: Extract<Node, { kind: "repeat" }>, isOpen: boolean): void {
    const { child, min, max } = node;
    if (this.#isRun(node)) return;
    if (min === 0 && max === 1) {
      this.#optional(node, () => this.#visit(child, isOpen));
      return;
    }
    const isOpenInside = isOpen || this.#shape(node).isHard;
    this.#counted(node, max === Infinity && this.#shape(child).minSize === 0, () => this.#visit(child, isOpenInside));
  }

  /** A repetition inside of a closed part: one that consumes nothing is the last. */
  #plainRepeat(node: Extract<Node, { kind: "repeat" }>): void {
    const { child, min, max } = node;
    if (this.#isRun(node)) return;
    if (max === 1 && min === 0) {
      this.#optional(node, () => this.#plain(child));
      return;
    }
    const slot = this.#slots++;
    const isEmptyPossible = this.#shape(child).minSize === 0;
    let progress: { target: number } | null = null;
    this.#counted(node, false, () => {
      if (isEmptyPossible) this.#add({ op: "save", slot });
      this.#plain(child);
      if (isEmptyPossible) progress = this.#add({ op: "progress", slot, target: NEVER });
    });
    if (progress !== null) (progress as { target: number }).target = this.#next;
  }

  #optional({ isGreedy }: { readonly isGreedy: boolean }, inside: () => void): void {
    const split = this.#add({ op: "split", first: this.#next + 1, second: this.#next + 1 });
    inside();
    if (isGreedy) split.second = this.#next;
    else split.first = this.#next;
  }

  /** `checksEmpty`: a repetition that consumes nothing fails. */
  #counted({ min, max, isGreedy }: Extract<Node, { kind: "repeat" }>, checksEmpty: boolean, inside: () => void): void {
    const count = this.#slots++;
    const check = checksEmpty ? this.#slots++ : NEVER;
    this.#add({ op: "zero", slot: count });
    const target = this.#next;
    const repeat = this.#add({ op: "repeat", min, max, isGreedy, count, check, next: NEVER });
    inside();
    this.#add({ op: "jump", target });
    repeat.next = this.#next;
  }

  #look({ child, isBehind, isNegated }: Extract<Node, { kind: "look" }>): void {
    // Alternatives of different sizes are looked for one by one.
    const isSplit = isBehind && child.kind === "alternation" && !this.#shape(child).isFixedSize;
    const options = isSplit ? child.options : [child];
    if (isNegated) for (const option of options) this.#negativeLook(option, isBehind);
    else this.#alternatives(options, (option) => this.#positiveLook(option, isBehind));
  }

  #positiveLook(child: Node, isBehind: boolean): void {
    const slot = this.#slots++;
    this.#add({ op: "save", slot });
    this.#lookInside(child, isBehind);
    this.#add({ op: "restore", slot });
  }

  #negativeLook(child: Node, isBehind: boolean): void {
    const slot = this.#slots++;
    this.#add({ op: "mark", slot });
    const split = this.#add({ op: "split", first: this.#next + 1, second: NEVER });
    this.#lookInside(child, isBehind);
    this.#add({ op: "cut", slot });
    this.#add({ op: "fail" });
    split.second = this.#next;
  }

  #lookInside(child: Node, isBehind: boolean): void {
    if (isBehind) {
      const { isFixedSize, minSize } = this.#shape(child);
      if (!isFixedSize) throw new FilterError("look-behind of no fixed length is not supported");
      this.#add({ op: "back", characters: minSize });
    }
    this.#visit(child, false);
  }

  #conditional({ condition, whenTrue, whenFalse }: Extract<Node, { kind: "conditional" }>, isOpen: boolean): void {
    const slot = this.#slots++;
    this.#add({ op: "mark", slot });
    const split = this.#add({ op: "split", first: this.#next + 1, second: NEVER });
    this.#visit(condition, isOpen);
    // Once the condition holds, the other branch is not tried any more.
    this.#add({ op: "cut", slot });
    this.#visit(whenTrue, isOpen);
    const jump = this.#add({ op: "jump", target: NEVER });
    split.second = this.#next;
    this.#visit(whenFalse, isOpen);
    jump.target = this.#next;
  }
}

/** Numbers of all groups inside. */
function captures(node: Node): readonly number[] {
  const inside = childrenOf(node).flatMap(captures);
  return node.kind === "group" ? [node.capture, ...inside] : inside;
}

function canChoose(node: Node): boolean {
  return node.kind === "alternation" || node.kind === "repeat" || childrenOf(node).some(canChoose);
}

function startsText(node: Node): boolean {
  if (node.kind === "assertion") return node.assertion === "textStart";
  if (node.kind === "searchStart") return true;
  if (node.kind === "group" || node.kind === "atomic") return startsText(node.child);
  return node.kind === "concat" && node.parts[0] !== undefined && startsText(node.parts[0]);
}
