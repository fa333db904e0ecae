// A backtracking program as numbers, which an engine runs several times faster than objects.

import type { Instruction } from "./backtrackProgram.ts";
import type { CharTest } from "./charTest.ts";
import type { Assertion } from "./regexSyntax.ts";

/** Numbers that one instruction takes: its operation and what it works on. */
export const STRIDE = 8;

export const OP = {
  match: 0,
  char: 1,
  set: 2,
  run: 3,
  split: 4,
  jump: 5,
  save: 6,
  assertion: 7,
  searchStart: 8,
  zero: 9,
  forget: 10,
  restore: 11,
  progress: 12,
  repeat: 13,
  back: 14,
  mark: 15,
  cut: 16,
  fail: 17,
  backReference: 18,
  groupSet: 19,
} as const satisfies Readonly<Record<Instruction["op"], number>>;

export const ASSERTIONS = [
  "textStart",
  "textEnd",
  "lineStart",
  "lineEnd",
  "word",
  "notWord",
  "wordStart",
  "wordEnd",
  "wordStartHalf",
  "wordEndHalf",
] as const satisfies readonly Assertion[];

/** Code points below have their answer in a table. */
export const TABLE_SIZE = 0x80;

export interface BacktrackCode {
  readonly numbers: Int32Array;
  /** For each set, the answers for ASCII, one after another, and the test for all else. */
  readonly tables: Uint8Array;
  readonly tests: readonly CharTest[];
}

/** For "without end". */
const MANY = 0x7fffffff;

export function assemble(instructions: readonly Instruction[]): BacktrackCode {
  const numbers = new Int32Array(instructions.length * STRIDE);
  const tests: CharTest[] = [];
  const numbered = new Map<CharTest, number>();
  const numberOf = (test: CharTest): number => {
    const known = numbered.get(test) ?? tests.push(test) - 1;
    numbered.set(test, known);
    return known;
  };
  instructions.forEach((instruction, index) => {
    const operands = operandsOf(instruction, numberOf);
    numbers.set([OP[instruction.op], ...operands.map((operand) => Math.min(operand, MANY))], index * STRIDE);
  });
  const tables = new Uint8Array(tests.length * TABLE_SIZE);
  tests.forEach((test, index) => {
    for (let codePoint = 0; codePoint < TABLE_SIZE; codePoint++) tables[index * TABLE_SIZE + codePoint] = Number(test(codePoint));
  });
  return { numbers, tables, tests };
}

/** Targets are given as offsets into the numbers. */
function operandsOf(instruction: Instruction, numberOf: (test: CharTest) => number): readonly number[] {
  switch (instruction.op) {
    case "match":
    case "fail":
    case "searchStart":
      return [];
    case "char":
      return [instruction.codePoint];
    case "set":
      return [numberOf(instruction.test)];
    case "run":
      return [numberOf(instruction.test), instruction.min, instruction.max];
    case "split":
      return [instruction.first * STRIDE, instruction.second * STRIDE];
    case "jump":
      return [instruction.target * STRIDE];
    case "save":
    case "zero":
    case "restore":
    case "mark":
    case "cut":
    case "backReference":
    case "groupSet":
      return [instruction.slot];
    case "assertion":
      return [ASSERTIONS.indexOf(instruction.assertion)];
    case "forget":
      return [instruction.from, instruction.to];
    case "progress":
      return [instruction.slot, instruction.target * STRIDE];
    case "repeat":
      return [
        instruction.min,
        instruction.max,
        Number(instruction.isGreedy),
        instruction.count,
        instruction.check,
        instruction.next * STRIDE,
      ];
    case "back":
      return [instruction.characters];
  }
}
