// Parses JSONPath queries (RFC 9535) with the function `typeof` that mirrord adds. Where the crate that the reference uses takes other texts than the RFC, so
// does this.

import { FilterError } from "../filterError.ts";
import { PatternText } from "../patternText.ts";
import { JsonNumber } from "./jsonNumber.ts";
import {
  FUNCTIONS,
  isFunctionName,
  isSingle,
  type Call,
  type Comparison,
  type Condition,
  type Operand,
  type Query,
  type Segment,
  type Selector,
} from "./jsonPathSyntax.ts";
import { parseQuotedText } from "./parseQuotedText.ts";

/** Most UTF-16 units of a query. */
const MAX_LENGTH = 4096;
/** Deepest nesting of filters, parentheses and functions. */
const MAX_NESTING = 32;

/** @throws FilterError */
export function parseJsonPath(text: string): Query {
  if (text.length > MAX_LENGTH) throw new FilterError(`JSONPath query of ${text.length} characters exceeds ${MAX_LENGTH}`);
  return new Parser(text).parse();
}

const SPACE = /[ \t\r\n]*/y;
const NAME = /[A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_\u0080-\u{10ffff}]*/uy;
const FUNCTION_NAME = /[a-z][a-z0-9_]+/y;
const INTEGER = /0|-?[1-9][0-9]*/y;
const NUMBER = /(?:-?0|-?[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const COMPARISON = /==|!=|<=|>=|<|>/y;

class Parser {
  readonly #text: PatternText;
  #depth = 0;

  constructor(text: string) {
    this.#text = new PatternText(text, "JSONPath query");
  }

  parse(): Query {
    if (this.#text.peek() !== "$") throw this.#text.error("a query begins with $");
    const query = this.#query();
    if (!this.#text.ended) throw this.#text.error("unexpected text");
    return query;
  }

  /** The position is at `$` or `@`. */
  #query(): Query {
    const from = this.#text.take("$") ? "root" : "current";
    if (from === "current") this.#text.position++;
    const segments: Segment[] = [];
    for (;;) {
      const before = this.#text.position;
      const segment = this.#segment();
      if (segment === null) {
        this.#text.position = before;
        return { from, segments };
      }
      segments.push(segment);
    }
  }

  #segment(): Segment | null {
    const text = this.#text;
    if (text.take("..")) {
      if (text.peek() === "[") return { isDescendant: true, selectors: this.#bracket() };
      return { isDescendant: true, selectors: [this.#shorthand()] };
    }
    this.#skipSpace();
    if (text.peek() === "[") return { isDescendant: false, selectors: this.#bracket() };
    return text.take(".") ? { isDescendant: false, selectors: [this.#shorthand()] } : null;
  }

  /** What may follow a dot. */
  #shorthand(): Selector {
    if (this.#text.take("*")) return { kind: "wildcard" };
    const name = this.#text.takeMatch(NAME);
    if (name === "") throw this.#text.error("expected a name or *");
    return { kind: "name", name };
  }

  #bracket(): readonly Selector[] {
    const text = this.#text;
    text.position++;
    const selectors: Selector[] = [];
    do {
      this.#skipSpace();
      selectors.push(this.#selector());
      this.#skipSpace();
    } while (text.take(","));
    if (!text.take("]")) throw text.error("expected ]");
    return selectors;
  }

  #selector(): Selector {
    const text = this.#text;
    const next = text.peek();
    if (text.take("*")) return { kind: "wildcard" };
    if (next === "'" || next === '"') return { kind: "name", name: parseQuotedText(text) };
    if (text.take("?")) {
      this.#skipSpace();
      return { kind: "filter", condition: this.#nested(() => this.#or()) };
    }
    const index = this.#integer();
    const afterIndex = text.position;
    if (index !== null) this.#skipSpace();
    if (text.take(":")) return this.#slice(index);
    if (index === null) throw text.error("expected a selector");
    text.position = afterIndex;
    return { kind: "index", index };
  }

  #slice(start: number | null): Selector {
    this.#skipSpace();
    const end = this.#integer();
    const afterEnd = this.#text.position;
    if (end !== null) this.#skipSpace();
    if (!this.#text.take(":")) {
      this.#text.position = afterEnd;
      return { kind: "slice", start, end, step: null };
    }
    this.#skipSpace();
    return { kind: "slice", start, end, step: this.#integer() };
  }

  #integer(): number | null {
    const digits = this.#text.takeMatch(INTEGER);
    if (digits === "") return null;
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) throw this.#text.error("integer out of range");
    return value;
  }

  #or(): Condition {
    return this.#list("or", "||", () => this.#list("and", "&&", () => this.#basic()));
  }

  #list(kind: "or" | "and", operator: string, part: () => Condition): Condition {
    const parts = [part()];
    for (;;) {
      const before = this.#text.position;
      this.#skipSpace();
      if (!this.#text.take(operator)) {
        this.#text.position = before;
        return parts.length === 1 ? parts[0]! : { kind, parts };
      }
      this.#skipSpace();
      parts.push(part());
    }
  }

  #basic(): Condition {
    if (!this.#text.take("!")) return this.#text.peek() === "(" ? this.#parenthesis() : this.#test(true);
    this.#skipSpace();
    return { kind: "not", inner: this.#text.peek() === "(" ? this.#parenthesis() : this.#test(false) };
  }

  #parenthesis(): Condition {
    this.#text.position++;
    this.#skipSpace();
    const inner = this.#nested(() => this.#or());
    this.#skipSpace();
    if (!this.#text.take(")")) throw this.#text.error("expected )");
    return inner;
  }

  /** A comparison, where `mayCompare`, a query whose nodes must exist, or a function that is true or false. */
  #test(mayCompare: boolean): Condition {
    const start = this.#text.position;
    const left = this.#operand();
    const after = this.#text.position;
    this.#skipSpace();
    const operator = this.#text.takeMatch(COMPARISON);
    if (operator !== "" && mayCompare) {
      this.#checkComparable(left, start);
      this.#skipSpace();
      const rightStart = this.#text.position;
      const right = this.#operand();
      this.#checkComparable(right, rightStart);
      return { kind: "compare", operator: operator as Comparison, left, right };
    }
    this.#text.position = after;
    if (left.kind === "single" || left.kind === "nodes") return { kind: "exists", query: left.query };
    if (left.kind === "call" && FUNCTIONS[left.call.name].returns === "logical") return left;
    throw this.#text.error("expected a comparison", start);
  }

  #checkComparable(operand: Operand, start: number): void {
    if (operand.kind === "nodes") throw this.#text.error("only a query for a single node can be compared", start);
    if (operand.kind === "call" && FUNCTIONS[operand.call.name].returns !== "value") {
      throw this.#text.error(`the answer of ${operand.call.name}() cannot be compared`, start);
    }
  }

  #operand(): Operand {
    const text = this.#text;
    const next = text.peek();
    if (next === "'" || next === '"') return { kind: "literal", value: parseQuotedText(text) };
    if (next === "$" || next === "@") {
      const query = this.#query();
      return { kind: isSingle(query) ? "single" : "nodes", query };
    }
    if (text.take("true")) return { kind: "literal", value: true };
    if (text.take("false")) return { kind: "literal", value: false };
    if (text.take("null")) return { kind: "literal", value: null };
    const start = text.position;
    const digits = text.takeMatch(NUMBER);
    if (digits === "") return { kind: "call", call: this.#nested(() => this.#call()) };
    const number = JsonNumber.parse(digits);
    if (number === null) throw text.error("number out of range", start);
    return { kind: "literal", value: number };
  }

  #call(): Call {
    const text = this.#text;
    const start = text.position;
    const name = text.takeMatch(FUNCTION_NAME);
    if (name === "" || !text.take("(")) throw text.error("expected a value, a query or a function", start);
    if (!isFunctionName(name)) throw text.error(`unknown function ${name}()`, start);
    this.#skipSpace();
    const operands: Operand[] = [];
    if (text.peek() !== ")") {
      do {
        this.#skipSpace();
        operands.push(this.#operand());
        this.#skipSpace();
      } while (text.take(","));
    }
    if (!text.take(")")) throw text.error("expected )");
    const { takes } = FUNCTIONS[name];
    if (takes.length !== operands.length) throw text.error(`${name}() takes ${takes.length} arguments`, start);
    if (!operands.every((operand, index) => fits(operand, takes[index]!)))
      throw text.error(`${name}() does not take such an argument`, start);
    return { name, operands };
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_NESTING) throw this.#text.error(`nested deeper than ${MAX_NESTING}`);
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  #skipSpace(): void {
    this.#text.takeMatch(SPACE);
  }
}

function fits(operand: Operand, wanted: "value" | "nodes"): boolean {
  switch (operand.kind) {
    case "literal":
      return wanted === "value";
    case "single":
      return true;
    case "nodes":
      return wanted === "nodes";
    case "call":
      return wanted === "value" && FUNCTIONS[operand.call.name].returns === "value";
  }
}
