// A pattern being read: the position, look-ahead, and errors that say where.

import { FilterError } from "./filterError.ts";

export class PatternText {
  readonly text: string;
  /** Index of the next UTF-16 unit. */
  position = 0;
  readonly #what: string;

  /** `what` the text is, for errors. */
  constructor(text: string, what = "pattern") {
    this.text = text;
    this.#what = what;
  }

  get ended(): boolean {
    return this.position >= this.text.length;
  }

  /** The next unit; "" at the end. */
  peek(): string {
    return this.text.charAt(this.position);
  }

  peekAt(offset: number): string {
    return this.text.charAt(this.position + offset);
  }

  startsWith(part: string): boolean {
    return this.text.startsWith(part, this.position);
  }

  /** Consumes `part` if it is next. */
  take(part: string): boolean {
    if (!this.startsWith(part)) return false;
    this.position += part.length;
    return true;
  }

  /** Consumes what the sticky `expression` matches here; "" when it does not. */
  takeMatch(expression: RegExp): string {
    expression.lastIndex = this.position;
    const match = expression.exec(this.text)?.[0] ?? "";
    this.position += match.length;
    return match;
  }

  takeCodePoint(): number {
    const codePoint = this.text.codePointAt(this.position);
    if (codePoint === undefined) throw this.error("unexpected end");
    this.position += codePoint > 0xffff ? 2 : 1;
    return codePoint;
  }

  error(what: string, position = this.position): FilterError {
    return new FilterError(`${what} at position ${position} of the ${this.#what}`);
  }
}
