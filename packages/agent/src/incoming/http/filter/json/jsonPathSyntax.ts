// The parts of a JSONPath query (RFC 9535).

import type { JsonValue } from "./jsonValue.ts";

export interface Query {
  /** From the root, or from the node that a filter looks at. */
  readonly from: "root" | "current";
  readonly segments: readonly Segment[];
}

export interface Segment {
  readonly isDescendant: boolean;
  readonly selectors: readonly Selector[];
}

export type Selector =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "wildcard" }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "slice"; readonly start: number | null; readonly end: number | null; readonly step: number | null }
  | { readonly kind: "filter"; readonly condition: Condition };

export type Comparison = "==" | "!=" | "<=" | ">=" | "<" | ">";

export type Condition =
  | { readonly kind: "or" | "and"; readonly parts: readonly Condition[] }
  | { readonly kind: "not"; readonly inner: Condition }
  | { readonly kind: "exists"; readonly query: Query }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Operand; readonly right: Operand }
  /** A function whose answer is true or false. */
  | { readonly kind: "call"; readonly call: Call };

/** What a comparison compares, or a function takes. */
export type Operand =
  | { readonly kind: "literal"; readonly value: JsonValue }
  /** Selects one node at most. */
  | { readonly kind: "single"; readonly query: Query }
  | { readonly kind: "nodes"; readonly query: Query }
  | { readonly kind: "call"; readonly call: Call };

export type FunctionName = keyof typeof FUNCTIONS;

export interface Call {
  readonly name: FunctionName;
  readonly operands: readonly Operand[];
}

/** What functions take and return. */
export const FUNCTIONS = {
  length: { takes: ["value"], returns: "value" },
  count: { takes: ["nodes"], returns: "value" },
  match: { takes: ["value", "value"], returns: "logical" },
  search: { takes: ["value", "value"], returns: "logical" },
  value: { takes: ["nodes"], returns: "value" },
  typeof: { takes: ["nodes"], returns: "value" },
} as const satisfies Readonly<Record<string, { readonly takes: readonly ("value" | "nodes")[]; readonly returns: "value" | "logical" }>>;

export function isFunctionName(name: string): name is FunctionName {
  return Object.hasOwn(FUNCTIONS, name);
}

/** Whether a query can select one node at most. */
export function isSingle(query: Query): boolean {
  return query.segments.every(({ isDescendant, selectors }) => {
    const [first] = selectors;
    return !isDescendant && selectors.length === 1 && (first?.kind === "name" || first?.kind === "index");
  });
}
