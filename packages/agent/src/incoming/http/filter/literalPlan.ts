// The short cut for the patterns that people really write: literals with `.*` or `.+` between them, anchored or not.
// Such a pattern is a few string searches. Everything here is for texts of ASCII without line feeds.

import { flattened, type AsciiSet, type PlainNode } from "./lowerRegex.ts";

interface Piece {
  readonly literal: string;
  /** Least number of characters between the piece before (or the start) and this one; -1: it follows at once. */
  readonly gap: number;
}

/** A pattern as a sequence of literals; with `fold`, they are in lower case and to be searched in lower-case text. */
export interface LiteralPlan {
  readonly fold: boolean;
  readonly pieces: readonly Piece[];
  /** Least number of characters after the last piece; -1: the text ends there. */
  readonly tail: number;
}

/** What must be in every matching text, in lower case, whatever else the pattern asks. */
export interface Requirement {
  /** The longest literal of the pattern; may be empty. */
  readonly contained: string;
  /** What the text must begin with; may be empty. */
  readonly prefix: string;
}

interface Letter {
  /** In lower case when `isFolded`. */
  readonly text: string;
  readonly isFolded: boolean;
  readonly isCased: boolean;
}

/** Null when it is not that simple. */
export function literalPlan(node: PlainNode<AsciiSet>): LiteralPlan | null {
  const parts = [...flattened(node)];
  const isAtStart = isAssertion(parts[0], "textStart");
  if (isAtStart) parts.shift();
  const isAtEnd = isAssertion(parts.at(-1), "textEnd");
  if (isAtEnd) parts.pop();

  const pieces: Piece[] = [];
  let gap = isAtStart ? -1 : 0;
  let literal = "";
  let exactLetters = 0;
  let foldedLetters = 0;
  const finish = (): void => {
    if (literal !== "") pieces.push({ literal, gap });
    if (literal !== "") gap = -1;
    literal = "";
  };
  for (const part of parts) {
    const letter = part.kind === "leaf" ? letterOf(part.leaf) : null;
    if (letter !== null) {
      literal += letter.text;
      if (letter.isFolded) foldedLetters++;
      else if (letter.isCased) exactLetters++;
      continue;
    }
    if (part.kind !== "repeat" || part.max !== Infinity || part.min > 1 || !isAnything(part.child)) return null;
    finish();
    gap = Math.max(gap, 0) + part.min;
  }
  finish();
  if (exactLetters > 0 && foldedLetters > 0) return null;
  // After the last piece `gap` tells what must follow; unanchored, anything may.
  return { fold: foldedLetters > 0, pieces, tail: isAtEnd ? gap : Math.max(gap, 0) };
}

/** Whether the text, lower-case where the plan folds, matches. */
export function matchesPlan(plan: LiteralPlan, text: string): boolean {
  const { pieces, tail } = plan;
  let at = 0;
  for (let i = 0; i < pieces.length; i++) {
    const { literal, gap } = pieces[i]!;
    if (gap < 0) {
      if (!text.startsWith(literal, at)) return false;
      at += literal.length;
    } else if (tail < 0 && i === pieces.length - 1) {
      const last = text.length - literal.length;
      return last >= at + gap && text.endsWith(literal);
    } else {
      const found = text.indexOf(literal, at + gap);
      if (found < 0 || found < at + gap) return false;
      at = found + literal.length;
    }
  }
  return tail < 0 ? at === text.length : text.length - at >= tail;
}

/** What every match needs, as far as it is easily seen. */
export function requirement(node: PlainNode<AsciiSet>): Requirement {
  const parts = flattened(node);
  const isAtStart = isAssertion(parts[0], "textStart");
  let prefix = "";
  let longest = "";
  let run = "";
  let isFirst = isAtStart;
  const finish = (): void => {
    if (run.length > longest.length) longest = run;
    if (isFirst) prefix = run;
    isFirst = false;
    run = "";
  };
  for (let i = isAtStart ? 1 : 0; i < parts.length; i++) {
    const part = parts[i]!;
    const letter = part.kind === "leaf" ? letterOf(part.leaf) : null;
    if (letter === null) finish();
    else run += letter.text.toLowerCase();
  }
  finish();
  return { contained: longest, prefix };
}

function isAssertion(node: PlainNode<AsciiSet> | undefined, which: "textStart" | "textEnd"): boolean {
  return node?.kind === "assertion" && node.assertion === which;
}

function letterOf(set: AsciiSet): Letter | null {
  const first = set[0];
  if (first === undefined || set[1] !== first) return null;
  const text = String.fromCharCode(first);
  if (set.length === 2) return { text, isFolded: false, isCased: /[A-Za-z]/.test(text) };
  const second = set[2]!;
  const isPair = set.length === 4 && set[3] === second && second === first + 0x20 && /[A-Z]/.test(text);
  return isPair ? { text: text.toLowerCase(), isFolded: true, isCased: true } : null;
}

/** Whether the node is one character of any kind, a line feed perhaps excepted. */
function isAnything(node: PlainNode<AsciiSet>): boolean {
  if (node.kind !== "leaf") return false;
  const set = node.leaf;
  if (set.length === 2) return set[0] === 0 && set[1] === 0x7f;
  return set.length === 4 && set[0] === 0 && set[1] === 0x09 && set[2] === 0x0b && set[3] === 0x7f;
}
