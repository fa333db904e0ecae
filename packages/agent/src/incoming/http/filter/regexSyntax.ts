// The syntax tree of a pattern. Flags are resolved by the parser, so a node means the same wherever it stands. Captures and greediness matter only where a
// pattern needs backtracking, for a filter only asks whether there is a match.

/** Every assertion of the syntax. Word characters are Unicode's. */
export type Assertion =
  | "textStart"
  | "textEnd"
  | "lineStart"
  | "lineEnd"
  | "word"
  | "notWord"
  | "wordStart"
  | "wordEnd"
  | "wordStartHalf"
  | "wordEndHalf";

export type ClassItem =
  /** First and last code points, in any order of the ranges. */
  | { readonly kind: "ranges"; readonly ranges: readonly number[] }
  /** `expression` is a class body that the JavaScript engine understands. `folds`: case variants belong to it under (?i). */
  | { readonly kind: "property"; readonly expression: string; readonly negated: boolean; readonly folds: boolean }
  | { readonly kind: "bracket"; readonly negated: boolean; readonly body: ClassBody };

export type ClassBody =
  | { readonly kind: "union"; readonly items: readonly ClassItem[] }
  | {
      readonly kind: "operation";
      readonly operator: "&&" | "--" | "~~";
      readonly left: ClassBody;
      readonly right: ClassBody;
    };

/** What matches one character. `fold`: case is ignored. */
export type LeafNode =
  | { readonly kind: "char"; readonly codePoint: number; readonly fold: boolean }
  | { readonly kind: "class"; readonly item: ClassItem; readonly fold: boolean }
  /** `.`; `newline`: matches `\n`, too. */
  | { readonly kind: "any"; readonly newline: boolean };

export type Node =
  | { readonly kind: "empty" }
  | LeafNode
  | { readonly kind: "assertion"; readonly assertion: Assertion }
  /** A capturing group; the first is 1. */
  | { readonly kind: "group"; readonly child: Node; readonly capture: number }
  | { readonly kind: "concat"; readonly parts: readonly Node[] }
  | { readonly kind: "alternation"; readonly options: readonly Node[] }
  /** `max` may be Infinity. */
  | { readonly kind: "repeat"; readonly child: Node; readonly min: number; readonly max: number; readonly isGreedy: boolean }
  /** `\K`, which moves the start of the match. */
  | { readonly kind: "keepOut" }
  /** `\G`, the end of the match before: the start of the text. */
  | { readonly kind: "searchStart" }
  | BacktrackingNode;

/** What no engine of linear time has. */
export type BacktrackingNode =
  | { readonly kind: "look"; readonly child: Node; readonly isBehind: boolean; readonly isNegated: boolean }
  | { readonly kind: "atomic"; readonly child: Node }
  | { readonly kind: "backReference"; readonly capture: number }
  /** Whether a group took part in the match. */
  | { readonly kind: "groupSet"; readonly capture: number }
  | { readonly kind: "conditional"; readonly condition: Node; readonly whenTrue: Node; readonly whenFalse: Node };

export const EMPTY: Node = { kind: "empty" };

/** Unicode's word characters (UTS #18, annex C), as a class body of the JavaScript engine. */
export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";

/** The nodes directly inside of a node. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "empty":
    case "char":
    case "class":
    case "any":
    case "assertion":
    case "keepOut":
    case "searchStart":
    case "backReference":
    case "groupSet":
      return [];
    case "group":
    case "repeat":
    case "look":
    case "atomic":
      return [node.child];
    case "concat":
      return node.parts;
    case "alternation":
      return node.options;
    case "conditional":
      return [node.condition, node.whenTrue, node.whenFalse];
  }
}

/** Whether the pattern needs an engine that backtracks. */
export function needsBacktracking(node: Node): boolean {
  switch (node.kind) {
    case "look":
    case "atomic":
    case "backReference":
    case "groupSet":
    case "conditional":
      return true;
    default:
      return childrenOf(node).some(needsBacktracking);
  }
}

/** How many parts remain when every repetition is written out. */
export function expandedSize(node: Node): number {
  const inside = childrenOf(node).reduce((sum, child) => sum + expandedSize(child), 0);
  switch (node.kind) {
    case "empty":
    case "group":
    case "concat":
      return inside;
    case "alternation":
      return inside + node.options.length;
    case "repeat": {
      const copies = Number.isFinite(node.max) ? Math.max(node.max, 1) : node.min + 1;
      return (inside + 1) * copies;
    }
    default:
      return inside + 1;
  }
}
