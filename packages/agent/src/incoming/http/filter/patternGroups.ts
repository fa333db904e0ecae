// The capturing groups of a pattern as they are opened and named, and references to them.

import type { PatternText } from "./patternText.ts";
import type { Node } from "./regexSyntax.ts";

const NAME = /[\p{Alphabetic}\p{N}_]+/uy;
const NAME_OR_RELATIVE = /-\d*|[\p{Alphabetic}\p{N}_]+/uy;

export class PatternGroups {
  readonly #text: PatternText;
  readonly #byName = new Map<string, number>();
  /** References to numbers beyond are refused, whatever groups there are. */
  readonly #maxReference: number;
  #count = 0;
  #hasNumbered = false;

  /** `ignoreCase`: as if the pattern began with `(?i)`. */
  constructor(text: PatternText, ignoreCase: boolean) {
    this.#text = text;
    this.#maxReference = (Buffer.byteLength(text.text) + (ignoreCase ? 4 : 0)) >> 1;
  }

  /** Opens the next group; when it is named, the position is at the `?`. Returns its number. */
  open(start: number, isNamed: boolean): number {
    this.#count++;
    if (!isNamed) return this.#count;
    this.#text.takeMatch(/\?P?</y);
    const name = this.#text.takeMatch(NAME);
    if (name === "" || !this.#text.take(">")) throw this.#text.error("malformed group name", start);
    this.#byName.set(name, this.#count);
    return this.#count;
  }

  /** The back reference at the position: `\1`, `\k<name>`, `\k'name'`, `\k<-1>`. */
  reference(start: number): Node {
    const text = this.#text;
    text.position++;
    if (!text.take("k")) return this.#numbered(start);
    return text.peek() === "'" ? this.namedReference(start, "'", "'", true) : this.namedReference(start, "<", ">", true);
  }

  /** What stands in the condition of a conditional, where it is a plain reference; null, and nothing consumed, where it is not. */
  condition(start: number): Node | null {
    const next = this.#text.peek();
    if (/\d/.test(next)) return this.#numbered(start);
    if (next === "'") return this.namedReference(start, "'", "'", true);
    return next === "<" ? this.namedReference(start, "<", ">", true) : null;
  }

  namedReference(start: number, open: string, close: string, allowsRelative: boolean): Node {
    const text = this.#text;
    if (!text.take(open)) throw text.error("malformed group name", start);
    const name = text.takeMatch(allowsRelative ? NAME_OR_RELATIVE : NAME);
    if (name === "" || !text.take(close)) throw text.error("malformed group name", start);
    const capture = this.#byName.get(name) ?? this.#numberOf(name);
    if (capture === null) throw text.error(`back reference to an unknown group ${JSON.stringify(name)}`, start);
    return { kind: "backReference", capture };
  }

  #numberOf(name: string): number | null {
    if (!/^-?\d{1,9}$/.test(name)) return null;
    const number = name.startsWith("-") ? this.#count + Number(name) + 1 : Number(name);
    return number >= 0 ? number : null;
  }

  #numbered(start: number): Node {
    const capture = Number(this.#text.takeMatch(/\d+/y));
    if (capture >= this.#maxReference) throw this.#text.error("back reference to an unknown group", start);
    this.#hasNumbered = true;
    return { kind: "backReference", capture };
  }

  /** @throws FilterError when references by number stand beside named groups. */
  checkMixed(): void {
    if (this.#hasNumbered && this.#byName.size > 0) throw this.#text.error("back reference by number in a pattern with named groups");
  }
}
