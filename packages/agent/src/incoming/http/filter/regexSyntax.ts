// The syntax tree of a pattern. Flags are resolved by the parser, so a node means the same wherever it stands; capturing
// and greediness are left out, for a filter only asks whether there is a match.

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
  | { readonly kind: "group"; readonly child: Node }
  | { readonly kind: "concat"; readonly parts: readonly Node[] }
  | { readonly kind: "alternation"; readonly options: readonly Node[] }
  /** `max` may be Infinity. */
  | { readonly kind: "repeat"; readonly child: Node; readonly min: number; readonly max: number };

export const EMPTY: Node = { kind: "empty" };

/** Unicode's word characters (UTS #18, annex C), as a class body of the JavaScript engine. */
export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
