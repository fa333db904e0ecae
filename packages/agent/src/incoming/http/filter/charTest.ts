// Whether a character belongs to a class of a pattern. Unicode properties and case folding are asked of the JavaScript
// engine character by character, so nothing is tabulated and compiling costs next to nothing.

import type { ClassBody, ClassItem, LeafNode } from "./regexSyntax.ts";

/** Whether a code point belongs to a set. */
export type CharTest = (codePoint: number) => boolean;

const LF = 0x0a;

/** The set that a leaf of the tree matches. */
export function charTest(node: LeafNode): CharTest {
  switch (node.kind) {
    case "char":
      return node.fold ? rangesTest([node.codePoint, node.codePoint], true) : (codePoint) => codePoint === node.codePoint;
    case "class":
      return itemTest(node.item, node.fold);
    case "any":
      return node.newline ? () => true : (codePoint) => codePoint !== LF;
  }
}

/**
 * Case variants are added where single characters, ranges and properties stand: adding them again after a union,
 * negation or operation, as Rust does, changes nothing.
 */
function itemTest(item: ClassItem, fold: boolean): CharTest {
  switch (item.kind) {
    case "ranges":
      return rangesTest(item.ranges, fold);
    case "property":
      return negatedIf(item.negated, engineTest(item.expression, fold && item.folds));
    case "bracket":
      return negatedIf(item.negated, bodyTest(item.body, fold));
  }
}

function bodyTest(body: ClassBody, fold: boolean): CharTest {
  if (body.kind === "union") {
    const tests = body.items.map((item) => itemTest(item, fold));
    return (codePoint) => tests.some((test) => test(codePoint));
  }
  const left = bodyTest(body.left, fold);
  const right = bodyTest(body.right, fold);
  switch (body.operator) {
    case "&&":
      return (codePoint) => left(codePoint) && right(codePoint);
    case "--":
      return (codePoint) => left(codePoint) && !right(codePoint);
    case "~~":
      return (codePoint) => left(codePoint) !== right(codePoint);
  }
}

function negatedIf(negated: boolean, test: CharTest): CharTest {
  return negated ? (codePoint) => !test(codePoint) : test;
}

function rangesTest(ranges: readonly number[], fold: boolean): CharTest {
  const isInside = (codePoint: number): boolean => {
    for (let i = 0; i < ranges.length; i += 2) {
      if (codePoint >= ranges[i]! && codePoint <= ranges[i + 1]!) return true;
    }
    return false;
  };
  if (!fold) return isInside;
  let engine: CharTest | null = null;
  return (codePoint) => (codePoint < 0x80 ? asciiVariants(codePoint).some(isInside) : (engine ??= foldedTest(ranges))(codePoint));
}

function foldedTest(ranges: readonly number[]): CharTest {
  let body = "";
  for (let i = 0; i < ranges.length; i += 2) body += `${escaped(ranges[i]!)}-${escaped(ranges[i + 1]!)}`;
  return engineTest(body, true);
}

/** The characters that are the same as an ASCII one when case is ignored; for k and s there are some beyond ASCII. */
function asciiVariants(codePoint: number): readonly number[] {
  const lower = codePoint | 0x20;
  if (lower < 0x61 || lower > 0x7a) return [codePoint];
  const both = [lower, lower - 0x20];
  if (lower === 0x6b) return [...both, 0x212a];
  return lower === 0x73 ? [...both, 0x17f] : both;
}

/** `make`, called once for all leaves that name the same Unicode property. */
export function oncePerProperty<T>(make: (node: LeafNode) => T): (node: LeafNode) => T {
  const made = new Map<string, T>();
  return (node) => {
    if (node.kind !== "class" || node.item.kind !== "property") return make(node);
    const { expression, negated, folds } = node.item;
    const key = `${expression} ${negated} ${folds && node.fold}`;
    let value = made.get(key);
    if (value === undefined) made.set(key, (value = make(node)));
    return value;
  };
}

function escaped(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`;
}

/** Asks the engine; one character cannot backtrack. Remembers its last answer, which repetitions ask for again. */
export function engineTest(classBody: string, fold: boolean): CharTest {
  const expression = new RegExp(`[${classBody}]`, fold ? "iu" : "u");
  let last = -1;
  let answer = false;
  return (codePoint) => {
    if (codePoint !== last) {
      last = codePoint;
      answer = expression.test(String.fromCodePoint(codePoint));
    }
    return answer;
  };
}
