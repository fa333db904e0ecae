// Brings a parsed pattern into its plain form: sequences, alternatives and repetitions of leaves, where a leaf is
// whatever the next stage needs to match one character.

import { charTest } from "./charTest.ts";
import type { Assertion, LeafNode, Node } from "./regexSyntax.ts";

export type PlainNode<Leaf> =
  | { readonly kind: "leaf"; readonly leaf: Leaf }
  | { readonly kind: "assertion"; readonly assertion: Assertion }
  | { readonly kind: "concat"; readonly parts: readonly PlainNode<Leaf>[] }
  | { readonly kind: "alternation"; readonly options: readonly PlainNode<Leaf>[] }
  | { readonly kind: "repeat"; readonly child: PlainNode<Leaf>; readonly min: number; readonly max: number };

/** The ASCII characters of a set: first and last of each range, sorted, never touching. */
export type AsciiSet = readonly number[];

/** Stands for what this form cannot say: anything, or nothing. */
const UNKNOWN = { kind: "repeat", child: { kind: "concat", parts: [] }, min: 0, max: 0 } as const;

/**
 * `leaf` is called once for each leaf, so repetitions share what it returns. What needs backtracking becomes unknown: such a form tells what
 * a match requires, but cannot be run.
 */
export function lowerRegex<Leaf>(node: Node, leaf: (node: LeafNode) => Leaf): PlainNode<Leaf> {
  switch (node.kind) {
    case "empty":
    case "keepOut":
      return { kind: "concat", parts: [] };
    case "searchStart":
      return { kind: "assertion", assertion: "textStart" };
    case "look":
    case "backReference":
    case "groupSet":
    case "conditional":
      return UNKNOWN;
    case "char":
    case "class":
    case "any":
      return { kind: "leaf", leaf: leaf(node) };
    case "assertion":
      return node;
    case "group":
    case "atomic":
      return lowerRegex(node.child, leaf);
    case "concat":
      return { kind: "concat", parts: node.parts.map((part) => lowerRegex(part, leaf)) };
    case "alternation":
      return { kind: "alternation", options: node.options.map((option) => lowerRegex(option, leaf)) };
    case "repeat":
      return { kind: "repeat", child: lowerRegex(node.child, leaf), min: node.min, max: node.max };
  }
}

/** Which ASCII characters the leaf matches. */
export function asciiSet(node: LeafNode): AsciiSet {
  if (node.kind === "char" && node.codePoint < 0x80) {
    const lower = node.codePoint | 0x20;
    const isLetter = lower >= 0x61 && lower <= 0x7a;
    if (!node.fold || !isLetter) return [node.codePoint, node.codePoint];
    return [lower - 0x20, lower - 0x20, lower, lower];
  }
  const test = charTest(node);
  const set: number[] = [];
  for (let codePoint = 0; codePoint < 0x80; codePoint++) {
    if (!test(codePoint)) continue;
    if (set.at(-1) === codePoint - 1) set[set.length - 1] = codePoint;
    else set.push(codePoint, codePoint);
  }
  return set;
}

/** Parts of a sequence with sequences inside it taken apart. */
export function flattened<Leaf>(node: PlainNode<Leaf>): readonly PlainNode<Leaf>[] {
  return node.kind === "concat" ? node.parts.flatMap(flattened) : [node];
}
