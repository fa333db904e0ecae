// Writes a pattern for ASCII texts in RE2 syntax: explicit ranges, no flags but (?m) on line anchors. What RE2 has no
// word for is told by `needsOwnMatcher`.

import type { AsciiSet, PlainNode } from "./lowerRegex.ts";
import type { Assertion } from "./regexSyntax.ts";

/** Most repetitions that RE2 takes in one quantifier. */
const MAX_REPEAT = 1000;

const ASSERTIONS: Readonly<Record<Assertion, string | null>> = {
  textStart: "\\A",
  textEnd: "\\z",
  lineStart: "(?m:^)",
  lineEnd: "(?m:$)",
  word: "\\b",
  notWord: "\\B",
  wordStart: null,
  wordEnd: null,
  wordStartHalf: null,
  wordEndHalf: null,
};

/** Whether RE2 cannot express the pattern: its word boundaries have no direction. */
export function needsOwnMatcher(node: PlainNode<AsciiSet>): boolean {
  switch (node.kind) {
    case "leaf":
      return false;
    case "assertion":
      return ASSERTIONS[node.assertion] === null;
    case "concat":
      return node.parts.some(needsOwnMatcher);
    case "alternation":
      return node.options.some(needsOwnMatcher);
    case "repeat":
      return needsOwnMatcher(node.child);
  }
}

export function emitRe2(node: PlainNode<AsciiSet>): string {
  switch (node.kind) {
    case "leaf":
      return emitSet(node.leaf);
    case "assertion":
      return ASSERTIONS[node.assertion] ?? "";
    case "concat":
      return node.parts.map(emitRe2).join("");
    case "alternation":
      return `(?:${node.options.map(emitRe2).join("|")})`;
    case "repeat":
      return emitRepeat(`(?:${emitRe2(node.child)})`, node.min, node.max);
  }
}

function emitRepeat(child: string, min: number, max: number): string {
  if (max === Infinity && min <= 1) return child + (min === 0 ? "*" : "+");
  let text = "";
  let rest = min;
  for (; rest > MAX_REPEAT; rest -= MAX_REPEAT) text += `${child}{${MAX_REPEAT}}`;
  text += `${child}{${rest}}`;
  if (max === Infinity) return `${text}${child}*`;
  let optional = max - min;
  for (; optional > MAX_REPEAT; optional -= MAX_REPEAT) text += `${child}{0,${MAX_REPEAT}}`;
  return `${text}${child}{0,${optional}}`;
}

function emitSet(set: AsciiSet): string {
  if (set.length === 0) return "[^\\x{0}-\\x{10FFFF}]";
  if (set.length === 2 && set[0] === set[1]) return hex(set[0]!);
  let text = "[";
  for (let i = 0; i < set.length; i += 2) text += `${hex(set[i]!)}-${hex(set[i + 1]!)}`;
  return `${text}]`;
}

function hex(codePoint: number): string {
  return `\\x{${codePoint.toString(16)}}`;
}
