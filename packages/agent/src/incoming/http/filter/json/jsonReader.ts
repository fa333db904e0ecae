// Reads one JSON text in slices, as strictly as the reference: no trailing bytes, no lone surrogates, no control characters, no nesting beyond its limit. It
// keeps its own stack, so that deep nesting is an answer and not a crash.

import { JsonNumber } from "./jsonNumber.ts";
import { compareText, type JsonValue } from "./jsonValue.ts";

/** Deepest nesting, as in the reference. */
const MAX_DEPTH = 127;
/** So many characters of a string count as one step. */
const CHARACTERS_PER_STEP = 32;

const SPACE = /[ \t\n\r]*/y;
/** All but quotation marks, backslashes and control characters. */
const PLAIN = /[ !#-[\]-\uffff]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

type Container =
  | { readonly kind: "array"; readonly items: JsonValue[] }
  | { readonly kind: "object"; readonly members: Map<string, JsonValue>; name: string };

/** What ended the reading: the text is no JSON. */
class NotJson extends Error {}

export class JsonReader {
  readonly #text: string;
  #at = 0;
  #steps = 0;
  readonly #open: Container[] = [];
  #value: JsonValue | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Steps made so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Goes on for about so many steps. Undefined when it is not over, null when the text is no JSON. */
  run(steps: number): { readonly value: JsonValue } | null | undefined {
    const until = this.#steps + steps;
    try {
      while (this.#value === undefined) {
        if (this.#steps >= until) return undefined;
        this.#steps++;
        this.#readOne();
      }
      this.#skipSpace();
      return this.#at === this.#text.length ? { value: this.#value } : null;
    } catch (error) {
      if (error instanceof NotJson) return null;
      throw error;
    }
  }

  /** Reads the next value, or the start of a container, and whatever it ends. */
  #readOne(): void {
    this.#skipSpace();
    const next = this.#text[this.#at];
    if (next === "[" || next === "{") this.#begin(next);
    else this.#finish(this.#scalar(next));
  }

  #begin(bracket: "[" | "{"): void {
    if (this.#open.length >= MAX_DEPTH) throw new NotJson();
    this.#at++;
    this.#skipSpace();
    const isEmpty = this.#take(bracket === "[" ? "]" : "}");
    if (bracket === "[") {
      if (isEmpty) this.#finish([]);
      else this.#open.push({ kind: "array", items: [] });
    } else if (isEmpty) this.#finish(new Map());
    else this.#open.push({ kind: "object", members: new Map(), name: this.#name() });
  }

  /** Puts a value where it belongs, and with it every container that ends after it. */
  #finish(first: JsonValue): void {
    let value = first;
    for (;;) {
      const container = this.#open.at(-1);
      if (container === undefined) {
        this.#value = value;
        return;
      }
      if (container.kind === "array") container.items.push(value);
      else container.members.set(container.name, value);
      this.#skipSpace();
      if (this.#take(",")) {
        if (container.kind === "object") container.name = this.#name();
        return;
      }
      if (!this.#take(container.kind === "array" ? "]" : "}")) throw new NotJson();
      this.#open.pop();
      value = container.kind === "array" ? container.items : sorted(container.members);
    }
  }

  #name(): string {
    this.#skipSpace();
    const name = this.#string();
    this.#skipSpace();
    if (!this.#take(":")) throw new NotJson();
    return name;
  }

  #scalar(next: string | undefined): JsonValue {
    if (next === '"') return this.#string();
    if (this.#take("true")) return true;
    if (this.#take("false")) return false;
    if (this.#take("null")) return null;
    const number = JsonNumber.parse(this.#match(NUMBER));
    if (number === null) throw new NotJson();
    return number;
  }

  #string(): string {
    if (!this.#take('"')) throw new NotJson();
    let text = this.#match(PLAIN);
    this.#steps += Math.floor(text.length / CHARACTERS_PER_STEP);
    while (!this.#take('"')) {
      if (!this.#take("\\")) throw new NotJson();
      text += this.#escape();
      const plain = this.#match(PLAIN);
      this.#steps += 1 + Math.floor(plain.length / CHARACTERS_PER_STEP);
      text += plain;
    }
    return text;
  }

  #escape(): string {
    const letter = this.#text[this.#at++] ?? "";
    const simple = ESCAPES[letter];
    if (simple !== undefined) return simple;
    if (letter !== "u") throw new NotJson();
    const unit = this.#hex();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    if (unit > 0xdbff || !this.#take("\\u")) throw new NotJson();
    const low = this.#hex();
    if (low < 0xdc00 || low > 0xdfff) throw new NotJson();
    return String.fromCharCode(unit, low);
  }

  #hex(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[0-9A-Fa-f]{4}$/.test(digits)) throw new NotJson();
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  #skipSpace(): void {
    const unit = this.#text.charCodeAt(this.#at);
    if (unit <= 0x20) this.#match(SPACE);
  }

  #take(part: string): boolean {
    if (!this.#text.startsWith(part, this.#at)) return false;
    this.#at += part.length;
    return true;
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}

/** Of members with one name the last counts, as the map has it already. */
function sorted(members: Map<string, JsonValue>): Map<string, JsonValue> {
  let before: string | null = null;
  for (const name of members.keys()) {
    if (before !== null && compareText(before, name) > 0) return new Map([...members].sort(([a], [b]) => compareText(a, b)));
    before = name;
  }
  return members;
}
