// Parses the pattern syntax that mirrord users write: Rust's `regex` in the dialect of `fancy-regex` 0.14, which decides what a brace, a dangling quantifier
// or a flag inside a group means, and adds look-around, back references, atomic groups and conditionals. Builds a tree only; see `regexSyntax.ts`.

import { FilterError } from "./filterError.ts";
import { parseClass } from "./parseClass.ts";
import { parseCharEscape, parseClassEscape } from "./parseEscape.ts";
import { PatternGroups } from "./patternGroups.ts";
import { PatternText } from "./patternText.ts";
import { EMPTY, childrenOf, expandedSize, type Assertion, type ClassItem, type Node } from "./regexSyntax.ts";

export interface PatternLimits {
  /** Most UTF-16 units of a pattern. */
  readonly patternMaxLength: number;
  /** Deepest nesting of groups and classes. */
  readonly maxNesting: number;
  /** Most single characters, classes and assertions once every repetition is written out. */
  readonly maxExpandedSize: number;
  /** Whether `.` leaves out `\r`, too, which it does with the flag R. */
  readonly dotExcludesCarriageReturn?: boolean;
}

export const defaultPatternLimits: PatternLimits = {
  patternMaxLength: 16 * 1024,
  maxNesting: 100,
  maxExpandedSize: 4000,
};

/**
 * `ignoreCase`: as if the pattern began with `(?i)`.
 * @throws FilterError with the position when the pattern is wrong or too large.
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

const LOOK_GROUPS = [
  ["?=", false, false],
  ["?!", false, true],
  ["?<=", true, false],
  ["?<!", true, true],
] as const;

const WORD_BOUNDARIES: Readonly<Record<string, Assertion>> = {
  "{start}": "wordStart",
  "{end}": "wordEnd",
  "{start-half}": "wordStartHalf",
  "{end-half}": "wordEndHalf",
};

const NOT_LINE_END: ClassItem = {
  kind: "bracket",
  negated: true,
  body: { kind: "union", items: [{ kind: "ranges", ranges: [0x0a, 0x0a, 0x0d, 0x0d] }] },
};

class Parser {
  readonly #text: PatternText;
  readonly #limits: PatternLimits;
  #fold: boolean;
  #multiline = false;
  #dotAll = false;
  #verbose = false;
  #isLazy = false;
  readonly #groups: PatternGroups;

  constructor(pattern: string, ignoreCase: boolean, limits: PatternLimits) {
    this.#text = new PatternText(pattern);
    this.#groups = new PatternGroups(this.#text, ignoreCase);
    this.#fold = ignoreCase;
    this.#limits = limits;
  }

  parse(): Node {
    const node = this.#alternation(0);
    if (!this.#text.ended) throw this.#text.error(this.#text.peek() === ")" ? "unopened group" : "unexpected text");
    checkReferences(node, 0);
    return node;
  }

  #alternation(depth: number): Node {
    const options = [this.#branch(depth)];
    this.#skipSpace();
    while (this.#text.take("|")) {
      options.push(this.#branch(depth));
      this.#skipSpace();
    }
    if (options.length > 1) return { kind: "alternation", options };
    this.#groups.checkMixed();
    return options[0]!;
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
    if (child.kind === "empty" || child.kind === "assertion" || child.kind === "look") {
      throw this.#text.error("quantifier with nothing to repeat", at);
    }
    const [min, max] = bounds;
    if (min > max) throw this.#text.error("repetition whose minimum exceeds its maximum", at);
    this.#skipSpace();
    const isGreedy = this.#text.take("?") === this.#isLazy;
    const node: Node = { kind: "repeat", child, min, max, isGreedy };
    return this.#text.take("+") ? { kind: "atomic", child: node } : node;
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
        if (!this.#dotAll && this.#limits.dotExcludesCarriageReturn === true) return { kind: "class", item: NOT_LINE_END, fold: false };
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
    for (const [opening, isBehind, isNegated] of LOOK_GROUPS) {
      if (text.take(opening)) return { kind: "look", child: this.#inside(start, depth), isBehind, isNegated };
    }
    if (text.take("?>")) return { kind: "atomic", child: this.#inside(start, depth) };
    if (text.take("?P=")) return this.#groups.namedReference(start, "", ")", false);
    if (text.take("?(")) return this.#conditional(start, depth);
    const isNamed = text.startsWith("?<") || text.startsWith("?P<");
    if (!isNamed && text.take("?")) return this.#flags(start, depth);
    const capture = this.#groups.open(start, isNamed);
    // Flags set inside a capturing group stay set after it: the dialect's habit.
    return { kind: "group", child: this.#inside(start, depth), capture };
  }

  #inside(start: number, depth: number): Node {
    const child = this.#alternation(depth);
    this.#close(start);
    return child;
  }

  /** The position is after `(?(`. A condition that is a back reference asks whether the group took part. */
  #conditional(start: number, depth: number): Node {
    const condition = groupSet(this.#groups.condition(start) ?? this.#alternation(depth));
    this.#close(start);
    const before = this.#text.position;
    const child = this.#alternation(depth);
    const isBare = this.#text.position === before;
    this.#close(start);
    if (isBare && condition.kind === "groupSet") return condition;
    if (isBare) throw this.#text.error("conditional without anything to match", start);
    const [whenTrue, ...others] = child.kind === "alternation" ? child.options : [child];
    const whenFalse: Node = others.length > 1 ? { kind: "alternation", options: others } : (others[0] ?? EMPTY);
    if (whenTrue === undefined || (whenTrue.kind === "empty" && whenFalse.kind === "empty")) return condition;
    return { kind: "conditional", condition, whenTrue, whenFalse };
  }

  #flags(start: number, depth: number): Node {
    const text = this.#text;
    const before = [this.#fold, this.#multiline, this.#dotAll, this.#verbose, this.#isLazy] as const;
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
          this.#isLazy = on;
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
          [this.#fold, this.#multiline, this.#dotAll, this.#verbose, this.#isLazy] = before;
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
    if (/\d/.test(letter) || letter === "k") return this.#groups.reference(start);
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
      text.position += 2;
      return { kind: "keepOut" };
    }
    if (letter === "G") {
      text.position += 2;
      return { kind: "searchStart" };
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
}

const ESCAPED_ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: "textStart",
  z: "textEnd",
  b: "word",
  B: "notWord",
  "<": "wordStart",
  ">": "wordEnd",
};

function assertion(which: Assertion): Node {
  return { kind: "assertion", assertion: which };
}

function groupSet(condition: Node): Node {
  return condition.kind === "backReference" ? { kind: "groupSet", capture: condition.capture } : condition;
}

/** A reference must be to a group that was opened before it. Returns how many groups there are, `opened` being those before `node`. */
function checkReferences(node: Node, opened: number): number {
  if ((node.kind === "backReference" || node.kind === "groupSet") && node.capture > opened) {
    throw new FilterError(`reference to group ${node.capture}, which is not there before it`);
  }
  return childrenOf(node).reduce((count, child) => checkReferences(child, count), node.kind === "group" ? opened + 1 : opened);
}
