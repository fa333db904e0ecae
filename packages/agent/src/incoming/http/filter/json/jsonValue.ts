// JSON values as body filters see them, and their text. Objects are in the order of their names, numbers keep apart what was written as an integer: both show
// in the text that a pattern is matched with.

import type { JsonNumber } from "./jsonNumber.ts";

export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | ReadonlyMap<string, JsonValue>;

export type JsonType = "null" | "bool" | "number" | "string" | "array" | "object";

export function jsonType(value: JsonValue): JsonType {
  if (value === null) return "null";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  if (Array.isArray(value)) return "array";
  return value instanceof Map ? "object" : "number";
}

export function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function isObject(value: JsonValue): value is ReadonlyMap<string, JsonValue> {
  return value instanceof Map;
}

/**
 * The text that a pattern is matched with: a string as it is, anything else as compact JSON. `onStep` is called for each value in it, and may throw.
 */
export function nodeText(value: JsonValue, onStep: () => void): string {
  return typeof value === "string" ? value : compactJson(value, onStep);
}

/** Values are never nested deeper than the reader allows, so this may call itself. */
function compactJson(value: JsonValue, onStep: () => void): string {
  onStep();
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (isArray(value)) return `[${value.map((item) => compactJson(item, onStep)).join(",")}]`;
  if (!isObject(value)) return value.text;
  const members: string[] = [];
  for (const [name, member] of value) members.push(`${JSON.stringify(name)}:${compactJson(member, onStep)}`);
  return `{${members.join(",")}}`;
}

/** Orders strings by code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 has another order only where surrogates are met.
  if (SURROGATE_OR_ABOVE.test(a) || SURROGATE_OR_ABOVE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}

const SURROGATE_OR_ABOVE = /[\ud800-\uffff]/;
