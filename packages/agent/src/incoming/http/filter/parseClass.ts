// Parses bracketed character classes: ranges, nesting, POSIX names and the operations `&&`, `--`, `~~`, which group to
// the left with equal rank, looser than putting items side by side. Sets are not computed here.

import { parseCharEscape, parseClassEscape } from "./parseEscape.ts";
import type { PatternText } from "./patternText.ts";
import type { ClassBody, ClassItem } from "./regexSyntax.ts";

const POSIX: Readonly<Record<string, readonly number[]>> = {
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a],
  alpha: [0x41, 0x5a, 0x61, 0x7a],
  ascii: [0x00, 0x7f],
  blank: [0x09, 0x09, 0x20, 0x20],
  cntrl: [0x00, 0x1f, 0x7f, 0x7f],
  digit: [0x30, 0x39],
  graph: [0x21, 0x7e],
  lower: [0x61, 0x7a],
  print: [0x20, 0x7e],
  punct: [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e],
  space: [0x09, 0x0d, 0x20, 0x20],
  upper: [0x41, 0x5a],
  word: [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a],
  xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
};

/** Parses the class at the position, which is at its `[`. */
export function parseClass(text: PatternText, maxNesting: number, depth = 1): ClassItem {
  const start = text.position;
  if (depth > maxNesting) throw text.error(`classes nested deeper than ${maxNesting}`);
  text.position++;
  const negated = text.take("^");
  let left: ClassBody | null = null;
  let operator: "&&" | "--" | "~~" | null = null;
  let items: ClassItem[] = [];
  const finish = (): ClassBody => {
    const right: ClassBody = { kind: "union", items };
    return left === null || operator === null ? right : { kind: "operation", operator, left, right };
  };
  // At the start a bracket and dashes stand for themselves.
  while (text.take("-")) items.push(single(0x2d));
  if (items.length === 0 && text.take("]")) items.push(single(0x5d));
  for (;;) {
    if (text.ended) throw text.error("unclosed class", start);
    if (text.take("]")) return { kind: "bracket", negated, body: finish() };
    const found = takeOperator(text);
    if (found !== null) {
      left = finish();
      operator = found;
      items = [];
    } else if (text.peek() === "[") {
      items.push(parsePosix(text) ?? parseClass(text, maxNesting, depth + 1));
    } else {
      items.push(parseItem(text));
    }
  }
}

function takeOperator(text: PatternText): "&&" | "--" | "~~" | null {
  if (text.take("&&")) return "&&";
  if (text.take("--")) return "--";
  return text.take("~~") ? "~~" : null;
}

function parsePosix(text: PatternText): ClassItem | null {
  const match = /\[:(\^?)([a-z]+):\]/y;
  match.lastIndex = text.position;
  const found = match.exec(text.text);
  const ranges = found === null ? undefined : POSIX[found[2] ?? ""];
  if (found === null || ranges === undefined) return null;
  text.position += found[0].length;
  const body: ClassBody = { kind: "union", items: [{ kind: "ranges", ranges }] };
  return { kind: "bracket", negated: found[1] === "^", body };
}

/** One character, a range, or an escape that is a class of its own. */
function parseItem(text: PatternText): ClassItem {
  const start = text.position;
  const first = parseMember(text);
  const next = text.peekAt(1);
  if (text.peek() !== "-" || next === "]" || next === "-" || next === "") {
    return typeof first === "number" ? single(first) : first;
  }
  text.position++;
  const last = parseMember(text);
  if (typeof first !== "number" || typeof last !== "number") throw text.error("class as the end of a range", start);
  if (first > last) throw text.error("range from a higher to a lower character", start);
  return { kind: "ranges", ranges: [first, last] };
}

function parseMember(text: PatternText): number | ClassItem {
  if (text.peek() !== "\\") return text.takeCodePoint();
  if (/\d/.test(text.peekAt(1))) throw text.error("back reference in a class");
  return parseClassEscape(text) ?? parseCharEscape(text, true);
}

function single(codePoint: number): ClassItem {
  return { kind: "ranges", ranges: [codePoint, codePoint] };
}
