// Bodies and queries against what the reference's crates say: ../testdata/README.md names the origin.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import fc from "fast-check";
import { FilterError } from "../filterError.ts";
import { JsonPath } from "./jsonPath.ts";
import { JsonReader } from "./jsonReader.ts";
import { type JsonValue, nodeText } from "./jsonValue.ts";
import { OutOfSteps, StepBudget } from "./stepBudget.ts";
import { TextTests } from "./textTests.ts";

type Row = readonly [query: string, body: string, expected: readonly string[] | "invalid query" | "invalid body"];

const table = JSON.parse(readFileSync(new URL("../testdata/jsonPath.json", import.meta.url), "utf8")) as { readonly rows: readonly Row[] };

function parsed(text: string): { readonly value: JsonValue } | null {
  const read = new JsonReader(text).run(Infinity);
  assert.notEqual(read, undefined);
  return read ?? null;
}

function texts(query: string, value: JsonValue, steps = Infinity): readonly string[] {
  const found: string[] = [];
  new JsonPath(query, new TextTests()).select(value, new StepBudget(steps), (node) => {
    found.push(nodeText(node, () => undefined));
    return false;
  });
  return found;
}

suite("queries and bodies of the reference's table", () => {
  for (const [query, body, expected] of table.rows) {
    test(`${query} on ${JSON.stringify(body.slice(0, 60))}`, () => {
      if (expected === "invalid query") {
        assert.throws(() => new JsonPath(query, new TextTests()), FilterError);
        return;
      }
      const read = parsed(body);
      assert.deepEqual(read === null ? "invalid body" : texts(query, read.value), expected);
    });
  }
});

test("what the platform's own parser takes is read alike, in slices of any size", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.integer({ min: 1, max: 5 }), (value, steps) => {
      // Doubles are read as the reference reads them, which is not always the nearest: see the table.
      const text = JSON.stringify(value, (_, each: unknown) => (typeof each === "number" ? Math.trunc(each % 1e9) : each));
      const reader = new JsonReader(text);
      let read = reader.run(steps);
      while (read === undefined) read = reader.run(steps);
      assert.ok(read !== null);
      assert.deepEqual(JSON.parse(nodeText([read.value], () => undefined)), [JSON.parse(text)]);
    }),
    { numRuns: 500 },
  );
});

test("bytes that are no JSON are told apart, whatever they are", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[],:"\\u0e1.-tn '.split("")), maxLength: 12 }), (text) => {
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      // Half of a surrogate pair and numbers without bounds are JSON for the platform only.
      if (parsed(text) === null) assert.ok(!isJson || /\\u|e/.test(text), text);
      else assert.ok(isJson, text);
    }),
    { numRuns: 3000 },
  );
});

test("a query costs what it looks at, and is given up beyond", () => {
  const wide = parsed(`[${"0,".repeat(9999)}0]`)!.value;
  assert.equal(texts("$[*]", wide, 50_000).length, 10_000);
  assert.throws(() => texts("$[?$[?@==1]]", wide, 50_000), OutOfSteps);
  assert.throws(() => texts("$[?$==$]", wide, 50_000), OutOfSteps);
  const deep = parsed(`${"[".repeat(127)}${"]".repeat(127)}`)!.value;
  assert.throws(() => texts("$..*..*..*..*", deep, 50_000), OutOfSteps);
  const long = parsed(JSON.stringify([Array.from({ length: 20_000 }, (_, i) => (Math.sin(i * i) > 0 ? "a" : "b")).join("")]))!.value;
  assert.throws(() => texts("$[?search(@,'([ab]*a[ab]{40}){3}[cd]')]", long, 50_000), OutOfSteps);
});

test("a query beyond a limit is refused", () => {
  const refused = (query: string, message: RegExp): void => {
    assert.throws(() => new JsonPath(query, new TextTests()), { constructor: FilterError, message });
  };
  refused(`$${".a".repeat(2100)}`, /4201 characters exceeds 4096/);
  refused(`$[?${"(".repeat(40)}@.a${")".repeat(40)}]`, /nested deeper than 32/);
  refused(`$${"[?@".repeat(40)}${"]".repeat(40)}`, /nested deeper than 32/);
  refused("$[?foo(@)]", /unknown function foo\(\) at position 3 of the JSONPath query/);
});
