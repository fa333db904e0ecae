// Parses what follows a backslash, inside and outside of classes: single characters and classes that have a letter.

import type { PatternText } from "./patternText.ts";
import { WORD, type ClassItem } from "./regexSyntax.ts";
import { unicodeProperty } from "./unicodeNames.ts";

const HEX: readonly number[] = [0x30, 0x39, 0x41, 0x46, 0x61, 0x66];

/** The class that an escape at the position stands for (`\d`, `\pL`, `\h`); null, and nothing consumed, for others. */
export function parseClassEscape(text: PatternText): ClassItem | null {
  const letter = text.peekAt(1);
  const negated = letter !== letter.toLowerCase();
  switch (letter.toLowerCase()) {
    case "d":
      return property(text, "\\p{Nd}", negated);
    case "s":
      return property(text, "\\p{White_Space}", negated);
    case "w":
      return property(text, WORD, negated);
    case "h":
      text.position += 2;
      return {
        kind: "bracket",
        negated,
        body: { kind: "union", items: [{ kind: "ranges", ranges: HEX }] },
      };
    case "p":
      return parseProperty(text, negated);
    default:
      return null;
  }
}

function property(text: PatternText, expression: string, negated: boolean): ClassItem {
  text.position += 2;
  return { kind: "property", expression, negated, folds: false };
}

const CONTROL_ESCAPES: Readonly<Record<string, number>> = {
  a: 0x07,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  v: 0x0b,
  e: 0x1b,
};
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** The code point of the escape at the position. In a class `\b` is a backspace. */
export function parseCharEscape(text: PatternText, isInClass: boolean): number {
  const start = text.position;
  text.position++;
  const letter = text.peek();
  if (letter === "") throw text.error("trailing backslash", start);
  const digits = HEX_DIGITS[letter];
  if (digits !== undefined) {
    text.position++;
    const plain = text.takeMatch(new RegExp(`[0-9A-Fa-f]{${digits}}`, "y"));
    const braced = plain === "" ? text.takeMatch(/\{[0-9A-Fa-f]{1,8}\}/y) : "";
    if (plain === "" && braced === "") throw text.error("malformed hexadecimal escape", start);
    const codePoint = Number.parseInt(plain === "" ? braced.slice(1, -1) : plain, 16);
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) {
      throw text.error("escape of no valid code point", start);
    }
    return codePoint;
  }
  if (isInClass && letter === "b") {
    text.position++;
    return 0x08;
  }
  const control = CONTROL_ESCAPES[letter];
  if (control !== undefined) {
    text.position++;
    return control;
  }
  if (/[A-Za-z]/.test(letter) && !(isInClass && /[kAzBKG]/.test(letter))) {
    throw text.error(`unknown escape \\${letter}`, start);
  }
  return text.takeCodePoint();
}

/** Parses `\pL`, `\p{Greek}`, `\p{sc=Greek}`, `\p{sc!=Greek}` at the position. */
function parseProperty(text: PatternText, negated: boolean): ClassItem {
  const start = text.position;
  text.position += 2;
  let name: string;
  if (text.take("{")) {
    name = text.takeMatch(/[^}]*/y);
    if (!text.take("}")) throw text.error("unclosed property name", start);
  } else {
    name = String.fromCodePoint(text.takeCodePoint());
  }
  const isInverted = name.includes("!=");
  const expression = unicodeProperty(name.replace("!=", "="));
  if (expression === null) throw text.error(`unknown Unicode property ${JSON.stringify(name)}`, start);
  return { kind: "property", expression: `\\p{${expression}}`, negated: negated !== isInverted, folds: true };
}
