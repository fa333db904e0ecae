// Parses the pattern syntax that mirrord users write: Rust's `regex` in the dialect of `fancy-regex` 0.14, which decides
// what a brace, a dangling quantifier or a flag inside a group means. Constructs that need backtracking are refused by
// name. Builds a tree only; see `regexSyntax.ts`.

import { FilterError } from "./filterError.ts";
import { parseClass } from "./parseClass.ts";
import { parseCharEscape, parseClassEscape } from "./parseEscape.ts";
import { PatternText } from "./patternText.ts";
import { EMPTY, type Assertion, type ClassItem, type Node } from "./regexSyntax.ts";

export interface PatternLimits {
  /** Most UTF-16 units of a pattern. */
  readonly patternMaxLength: number;
  /** Deepest nesting of groups and classes. */
  readonly maxNesting: number;
  /** Most single characters, classes and assertions once every repetition is written out. */
  readonly maxExpandedSize: number;
}

export const defaultPatternLimits: PatternLimits = {
  patternMaxLength: 16 * 1024,
  maxNesting: 100,
  maxExpandedSize: 4000,
};

/**
 * `ignoreCase`: as if the pattern began with `(?i)`.
 * @throws FilterError with the position when the pattern is wrong, too large, or needs a backtracking engine.
 */
export function parseRegex(pattern: string, ignoreCase = false, limits: PatternLimits = defaultPatternLimits): Node {
  if (pattern.length > limits.patternMaxLength) {
    throw new FilterError(`pattern of ${pattern.length} characters exceeds ${limits.patternMaxLength}`);
  }
  const node = new Parser(pattern, ignoreCase, limits).parse();
  const size = expandedSize(node);
  if (size > limits.maxExpandedSize) {
    throw new FilterError(`pattern of ${size} parts once repetitions are written out exceeds ${limits.maxExpandedSize}`);
  }
  return node;
}

/** How many parts remain when every repetition is written out. */
export function expandedSize(node: Node): number {
  switch (node.kind) {
    case "empty":
      return 0;
    case "char":
    case "class":
    case "any":
    case "assertion":
      return 1;
    case "group":
      return expandedSize(node.child);
    case "concat":
      return node.parts.reduce((sum, part) => sum + expandedSize(part), 0);
    case "alternation":
      return node.options.reduce((sum, option) => sum + expandedSize(option) + 1, 0);
    case "repeat": {
      const copies = Number.isFinite(node.max) ? Math.max(node.max, 1) : node.min + 1;
      return (expandedSize(node.child) + 1) * copies;
    }
  }
}

const BACKTRACKING_GROUPS = [
  ["?=", "look-ahead"],
  ["?!", "negative look-ahead"],
  ["?<=", "look-behind"],
  ["?<!", "negative look-behind"],
  ["?>", "atomic group"],
  ["?P=", "back reference"],
  ["?(", "conditional"],
] as const;

const WORD_BOUNDARIES: Readonly<Record<string, Assertion>> = {
  "{start}": "wordStart",
  "{end}": "wordEnd",
  "{start-half}": "wordStartHalf",
  "{end-half}": "wordEndHalf",
};

class Parser {
  readonly #text: PatternText;
  readonly #limits: PatternLimits;
  #fold: boolean;
  #multiline = false;
  #dotAll = false;
  #verbose = false;

  constructor(pattern: string, ignoreCase: boolean, limits: PatternLimits) {
    this.#text = new PatternText(pattern);
    this.#fold = ignoreCase;
    this.#limits = limits;
  }

  parse(): Node {
    const node = this.#alternation(0);
    if (!this.#text.ended) throw this.#text.error(this.#text.peek() === ")" ? "unopened group" : "unexpected text");
    return node;
  }

  #alternation(depth: number): Node {
    const options = [this.#branch(depth)];
    this.#skipSpace();
    while (this.#text.take("|")) {
      options.push(this.#branch(depth));
      this.#skipSpace();
    }
    return options.length === 1 ? options[0]! : { kind: "alternation", options };
  }

  #branch(depth: number): Node {
    const parts: Node[] = [];
    while (!this.#text.ended) {
      const before = this.#text.position;
      const part = this.#piece(depth);
      if (this.#text.position === before) break;
      if (part.kind !== "empty") parts.push(part);
    }
    if (parts.length === 0) return EMPTY;
    return parts.length === 1 ? parts[0]! : { kind: "concat", parts };
  }

  #piece(depth: number): Node {
    const child = this.#atom(depth);
    this.#skipSpace();
    const at = this.#text.position;
    const bounds = this.#quantifier();
    if (bounds === null) return child;
    if (child.kind === "empty" || child.kind === "assertion") {
      throw this.#text.error("quantifier with nothing to repeat", at);
    }
    const [min, max] = bounds;
    if (min > max) throw this.#text.error("repetition whose minimum exceeds its maximum", at);
    this.#skipSpace();
    this.#text.take("?");
    if (this.#text.peek() === "+") throw this.#unsupported("possessive quantifier", this.#text.position);
    return { kind: "repeat", child, min, max };
  }

  /** Bounds of the quantifier at the position; null, and nothing consumed, where there is none. */
  #quantifier(): readonly [number, number] | null {
    if (this.#text.take("?")) return [0, 1];
    if (this.#text.take("*")) return [0, Infinity];
    if (this.#text.take("+")) return [1, Infinity];
    const start = this.#text.position;
    if (!this.#text.take("{")) return null;
    const bounds = this.#bounds();
    // A brace that is no repetition stands for itself.
    if (bounds === null) this.#text.position = start;
    return bounds;
  }

  #bounds(): readonly [number, number] | null {
    this.#skipSpace();
    const digits = this.#text.takeMatch(/\d*/y);
    if (digits === "" && this.#text.peek() !== ",") return null;
    this.#skipSpace();
    const min = Number(digits);
    let max = min;
    if (this.#text.take(",")) {
      this.#skipSpace();
      const upper = this.#text.takeMatch(/\d*/y);
      max = upper === "" ? Infinity : Number(upper);
      this.#skipSpace();
    }
    return this.#text.take("}") ? [min, max] : null;
  }

  #atom(depth: number): Node {
    this.#skipSpace();
    const text = this.#text;
    switch (text.peek()) {
      case "":
      case "+":
      case "*":
      case "?":
      case "|":
      case ")":
        return EMPTY;
      case ".":
        text.position++;
        return { kind: "any", newline: this.#dotAll };
      case "^":
        text.position++;
        return assertion(this.#multiline ? "lineStart" : "textStart");
      case "$":
        text.position++;
        return assertion(this.#multiline ? "lineEnd" : "textEnd");
      case "(":
        return this.#group(depth + 1);
      case "[":
        return this.#class(parseClass(text, this.#limits.maxNesting));
      case "\\":
        return this.#escape();
      default:
        return { kind: "char", codePoint: text.takeCodePoint(), fold: this.#fold };
    }
  }

  #class(item: ClassItem): Node {
    return { kind: "class", item, fold: this.#fold };
  }

  #group(depth: number): Node {
    const text = this.#text;
    const start = text.position;
    if (depth > this.#limits.maxNesting) throw text.error(`groups nested deeper than ${this.#limits.maxNesting}`);
    text.position++;
    this.#skipSpace();
    for (const [opening, name] of BACKTRACKING_GROUPS) {
      if (text.startsWith(opening)) throw this.#unsupported(name, start);
    }
    if (text.take("?<") || text.take("?P<")) {
      const name = text.takeMatch(/[\p{L}\p{N}_.[\]]+/uy);
      if (name === "" || !text.take(">")) throw text.error("malformed group name", start);
    } else if (text.take("?")) {
      return this.#flags(start, depth);
    }
    // Flags set inside a capturing group stay set after it: the dialect's habit.
    const child = this.#alternation(depth);
    this.#close(start);
    return { kind: "group", child };
  }

  #flags(start: number, depth: number): Node {
    const text = this.#text;
    const before = [this.#fold, this.#multiline, this.#dotAll, this.#verbose] as const;
    let on = true;
    for (let count = 0; ; count++) {
      this.#skipSpace();
      const at = text.position;
      const flag = text.peek();
      text.position++;
      switch (flag) {
        case "i":
          this.#fold = on;
          break;
        case "m":
          this.#multiline = on;
          break;
        case "s":
          this.#dotAll = on;
          break;
        case "x":
          this.#verbose = on;
          break;
        case "U":
          // Greediness cannot change whether there is a match.
          break;
        case "u":
          if (!on) throw text.error("unsupported flag: (?-u)", at);
          break;
        case "-":
          if (!on) throw text.error("malformed flags", at);
          on = false;
          break;
        case ")":
          if (count === 0 || (!on && count === 1)) throw text.error("malformed flags", at);
          return EMPTY;
        case ":": {
          if (!on && count === 1) throw text.error("malformed flags", at);
          const child = this.#alternation(depth);
          this.#close(start);
          [this.#fold, this.#multiline, this.#dotAll, this.#verbose] = before;
          return child;
        }
        case "":
          throw text.error("unclosed group", start);
        default:
          throw text.error(`unknown flag ${JSON.stringify(flag)}`, at);
      }
    }
  }

  #close(start: number): void {
    if (!this.#text.take(")")) throw this.#text.error("unclosed group", start);
  }

  #escape(): Node {
    const text = this.#text;
    const start = text.position;
    const letter = text.peekAt(1);
    if (/\d/.test(letter) || letter === "k") throw this.#unsupported("back reference", start);
    if (letter === "b" && text.peekAt(2) === "{") {
      text.position += 2;
      const kind = WORD_BOUNDARIES[text.takeMatch(/\{[a-z-]*\}?/y)];
      if (kind === undefined) throw text.error("unknown word boundary", start);
      return assertion(kind);
    }
    const which = ESCAPED_ASSERTIONS[letter];
    if (which !== undefined) {
      text.position += 2;
      return assertion(which);
    }
    if (letter === "K") {
      // Moves the start of the match; whether there is one stays the same.
      text.position += 2;
      return EMPTY;
    }
    const item = parseClassEscape(text);
    if (item !== null) return this.#class(item);
    return { kind: "char", codePoint: parseCharEscape(text, false), fold: this.#fold };
  }

  #skipSpace(): void {
    const text = this.#text;
    for (;;) {
      if (text.startsWith("(?#")) {
        const start = text.position;
        text.takeMatch(/\(\?#(?:[^)\\]|\\[^])*/y);
        if (!text.take(")")) throw text.error("unclosed comment", start);
      } else if (!this.#verbose || text.takeMatch(/[ \r\n\t]+|#[^\n]*\n?/y) === "") {
        return;
      }
    }
  }

  #unsupported(construct: string, position: number): FilterError {
    return this.#text.error(`${construct} is not supported: it needs a backtracking engine`, position);
  }
}

const ESCAPED_ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: "textStart",
  z: "textEnd",
  b: "word",
  B: "notWord",
  "<": "wordStart",
  ">": "wordEnd",
  // The end of the previous match; a filter's search has none before it.
  G: "textStart",
};

function assertion(which: Assertion): Node {
  return { kind: "assertion", assertion: which };
}
