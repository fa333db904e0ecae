// Evaluates a JSONPath query over a parsed body. Nodes are handed out one by one, and every node looked at is a step: an evaluation that needs too many is given up.

import { FUNCTIONS, type Call, type Condition, type Operand, type Query, type Segment, type Selector } from "./jsonPathSyntax.ts";
import { JsonNumber } from "./jsonNumber.ts";
import { compareText, isArray, isObject, jsonType, type JsonValue } from "./jsonValue.ts";
import { parseJsonPath } from "./parseJsonPath.ts";
import type { StepBudget } from "./stepBudget.ts";
import type { TextTests } from "./textTests.ts";

/** Takes a node; true to have no more. */
type Visit = (node: JsonValue) => boolean;

/** `undefined`: the RFC's Nothing. */
type Operated = JsonValue | undefined;

export class JsonPath {
  readonly #query: Query;
  readonly #tests: TextTests;

  /**
   * `tests` runs the patterns of `match` and `search`.
   * @throws FilterError
   */
  constructor(text: string, tests: TextTests) {
    this.#query = parseJsonPath(text);
    this.#tests = tests;
  }

  /** Hands the nodes to `visit` in their order until it returns true, which is returned then. @throws OutOfSteps */
  select(root: JsonValue, budget: StepBudget, visit: Visit): boolean {
    return new Evaluation(root, budget, this.#tests).query(this.#query, root, visit);
  }
}

class Evaluation {
  readonly #root: JsonValue;
  readonly #budget: StepBudget;
  readonly #tests: TextTests;

  constructor(root: JsonValue, budget: StepBudget, tests: TextTests) {
    this.#root = root;
    this.#budget = budget;
    this.#tests = tests;
  }

  query({ from, segments }: Query, current: JsonValue, visit: Visit): boolean {
    return this.#segments(segments, 0, from === "root" ? this.#root : current, visit);
  }

  #segments(segments: readonly Segment[], index: number, node: JsonValue, visit: Visit): boolean {
    this.#budget.spend(1);
    const segment = segments[index];
    if (segment === undefined) return visit(node);
    return this.#segment(segment, node, (found) => this.#segments(segments, index + 1, found, visit));
  }

  /** Values are nested no deeper than the reader allows, and so are the calls. */
  #segment(segment: Segment, node: JsonValue, visit: Visit): boolean {
    if (segment.selectors.some((selector) => this.#selector(selector, node, visit))) return true;
    if (!segment.isDescendant) return false;
    return this.#children(node, (child) => {
      this.#budget.spend(1);
      return this.#segment(segment, child, visit);
    });
  }

  #children(node: JsonValue, visit: Visit): boolean {
    if (isArray(node)) return node.some(visit);
    if (!isObject(node)) return false;
    for (const child of node.values()) if (visit(child)) return true;
    return false;
  }

  #selector(selector: Selector, node: JsonValue, visit: Visit): boolean {
    switch (selector.kind) {
      case "name": {
        const member = isObject(node) ? node.get(selector.name) : undefined;
        return member !== undefined && visit(member);
      }
      case "wildcard":
        return this.#children(node, visit);
      case "index": {
        const item = isArray(node) ? node.at(selector.index) : undefined;
        return item !== undefined && visit(item);
      }
      case "slice":
        return isArray(node) && this.#slice(selector, node, visit);
      case "filter":
        return this.#children(node, (child) => {
          this.#budget.spend(1);
          return this.#holds(selector.condition, child) && visit(child);
        });
    }
  }

  /** RFC 9535, section 2.3.4.2.2. */
  #slice({ start, end, step }: Extract<Selector, { kind: "slice" }>, items: readonly JsonValue[], visit: Visit): boolean {
    const by = step ?? 1;
    const { length } = items;
    const fromEnd = (index: number): number => (index < 0 ? length + index : index);
    if (by > 0) {
      const first = Math.min(Math.max(fromEnd(start ?? 0), 0), length);
      const last = Math.min(Math.max(fromEnd(end ?? length), 0), length);
      for (let i = first; i < last; i += by) if (visit(items[i]!)) return true;
    } else if (by < 0) {
      const first = Math.min(Math.max(start === null ? length - 1 : fromEnd(start), -1), length - 1);
      const last = Math.min(Math.max(end === null ? -1 : fromEnd(end), -1), length - 1);
      for (let i = first; i > last; i += by) if (visit(items[i]!)) return true;
    }
    return false;
  }

  #holds(condition: Condition, node: JsonValue): boolean {
    this.#budget.spend(1);
    switch (condition.kind) {
      case "or":
        return condition.parts.some((part) => this.#holds(part, node));
      case "and":
        return condition.parts.every((part) => this.#holds(part, node));
      case "not":
        return !this.#holds(condition.inner, node);
      case "exists":
        return this.query(condition.query, node, () => true);
      case "call":
        return this.#testsText(condition.call, node);
      case "compare":
        return this.#compare(condition, node);
    }
  }

  #compare({ operator, left, right }: Extract<Condition, { kind: "compare" }>, node: JsonValue): boolean {
    const a = this.#operand(left, node);
    const b = this.#operand(right, node);
    switch (operator) {
      case "==":
        return this.#equals(a, b);
      case "!=":
        return !this.#equals(a, b);
      case "<":
        return isLess(a, b);
      case ">":
        return isSameType(a, b) && !isLess(a, b) && !this.#equals(a, b);
      case "<=":
        return isSameType(a, b) && (isLess(a, b) || this.#equals(a, b));
      case ">=":
        return isSameType(a, b) && !isLess(a, b);
    }
  }

  /** Numbers are compared as doubles; inside of arrays and objects, an integer never equals a number that is none. */
  #equals(a: Operated, b: Operated): boolean {
    if (a instanceof JsonNumber && b instanceof JsonNumber) return a.value === b.value;
    return a === undefined || b === undefined ? a === b : this.#isSame(a, b);
  }

  #isSame(a: JsonValue, b: JsonValue): boolean {
    this.#budget.spend(1);
    if (a instanceof JsonNumber) {
      return b instanceof JsonNumber && a.isInteger === b.isInteger && (a.isInteger ? a.text === b.text : a.value === b.value);
    }
    if (isArray(a)) return isArray(b) && a.length === b.length && a.every((item, index) => this.#isSame(item, b[index]!));
    if (!isObject(a)) return a === b;
    if (!isObject(b) || a.size !== b.size) return false;
    for (const [name, member] of a) {
      const other = b.get(name);
      if (other === undefined || !this.#isSame(member, other)) return false;
    }
    return true;
  }

  #operand(operand: Operand, node: JsonValue): Operated {
    switch (operand.kind) {
      case "literal":
        return operand.value;
      case "single":
        return this.#single(operand.query, node);
      case "nodes":
        return undefined;
      case "call":
        return this.#call(operand.call, node);
    }
  }

  /** In this place an index from the end selects nothing: so does the reference. */
  #single({ from, segments }: Query, current: JsonValue): Operated {
    let node: Operated = from === "root" ? this.#root : current;
    for (const { selectors } of segments) {
      this.#budget.spend(1);
      const [selector] = selectors;
      if (node === undefined || selector === undefined) return undefined;
      if (selector.kind === "name") node = isObject(node) ? node.get(selector.name) : undefined;
      else node = selector.kind === "index" && isArray(node) ? node[selector.index] : undefined;
    }
    return node;
  }

  #nodes(operand: Operand, current: JsonValue): readonly JsonValue[] {
    if (operand.kind !== "nodes") {
      const node = this.#operand(operand, current);
      return node === undefined ? [] : [node];
    }
    const nodes: JsonValue[] = [];
    this.query(operand.query, current, (node) => {
      nodes.push(node);
      return false;
    });
    return nodes;
  }

  /** A function that returns a value. */
  #call({ name, operands }: Call, node: JsonValue): Operated {
    const [first] = operands;
    if (first === undefined) return undefined;
    if (FUNCTIONS[name].takes[0] === "value") return name === "length" ? lengthOf(this.#operand(first, node)) : undefined;
    const nodes = this.#nodes(first, node);
    if (name === "count") return JsonNumber.of(nodes.length);
    if (name === "value") return nodes.length === 1 ? nodes[0] : undefined;
    const [type, ...others] = new Set(nodes.map(jsonType));
    return others.length === 0 ? type : undefined;
  }

  #testsText({ name, operands }: Call, node: JsonValue): boolean {
    const [text, pattern] = operands.map((operand) => this.#operand(operand, node));
    if (typeof text !== "string" || typeof pattern !== "string") return false;
    return this.#tests.test(name === "match" ? "whole" : "part", pattern, text, this.#budget);
  }
}

function lengthOf(value: Operated): Operated {
  if (typeof value === "string") return JsonNumber.of(Array.from(value).length);
  if (value === undefined || value === null) return undefined;
  if (isArray(value)) return JsonNumber.of(value.length);
  return typeof value === "object" && isObject(value) ? JsonNumber.of(value.size) : undefined;
}

function isSameType(a: Operated, b: Operated): boolean {
  return a !== undefined && b !== undefined && jsonType(a) === jsonType(b);
}

function isLess(a: Operated, b: Operated): boolean {
  if (a instanceof JsonNumber && b instanceof JsonNumber) return a.value < b.value;
  return typeof a === "string" && typeof b === "string" && compareText(a, b) < 0;
}
