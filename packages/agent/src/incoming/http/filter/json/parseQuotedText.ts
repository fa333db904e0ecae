// Parses the quoted texts of JSONPath queries.

import type { PatternText } from "../patternText.ts";

/** For each quotation mark, all but itself, backslashes and control characters. */
const PLAIN_IN: Readonly<Record<string, RegExp>> = { "'": /[ -&(-[\]-\uffff]+/y, '"': /[ !#-[\]-\uffff]+/y };
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", "/": "/", "\\": "\\" };
/** Of a pair of surrogates the first must be in upper case: so does the reference's parser. */
const CODE = /[0-9A-CE-Fa-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}|D[89AB][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}/y;

/** The position is at the quotation mark. @throws FilterError */
export function parseQuotedText(text: PatternText): string {
  const start = text.position;
  const quote = text.peek();
  const plain = PLAIN_IN[quote]!;
  text.position++;
  let parsed = "";
  while (!text.take(quote)) {
    const part = text.takeMatch(plain);
    parsed += part;
    if (part !== "") continue;
    if (!text.take("\\")) throw text.error("unclosed text", start);
    parsed += escaped(text, quote);
  }
  return parsed;
}

function escaped(text: PatternText, quote: string): string {
  if (text.take(quote)) return quote;
  if (text.take("u")) {
    const code = text.takeMatch(CODE);
    const units = code.split("\\u").map((digits) => Number.parseInt(digits, 16));
    if (code === "" || (units.length === 1 && units[0]! >= 0xd800 && units[0]! <= 0xdfff)) throw text.error("malformed escape");
    return String.fromCharCode(...units);
  }
  const letter = text.peek();
  const found = ESCAPES[letter];
  if (found === undefined) throw text.error("unknown escape");
  text.position++;
  return found;
}
