import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpFilter } from "@understudy/protocol";
import { type FilterKind, filterKinds } from "../../../metrics/metrics.ts";
import { compileFilter } from "./compileFilter.ts";
import { HeaderListInput } from "./filterInput.ts";
import { createFilterServices } from "./filterServices.ts";

/** Counts how often each kind of filter was timed. */
function observed(): { readonly counts: Map<FilterKind, number>; readonly seconds: { with(kind: FilterKind): { observe(): void } } } {
  const counts = new Map(filterKinds.map((kind) => [kind, 0]));
  return { counts, seconds: { with: (kind) => ({ observe: () => void counts.set(kind, (counts.get(kind) ?? 0) + 1) }) } };
}

const request = new HeaderListInput("POST", "/orders?id=1", [["x-user", "alice"]], Buffer.from('{"name":"alice"}'));

const body = (matches: string): HttpFilter => ({
  kind: "body",
  value: { kind: "json", value: { query: "$.name", matches } },
});

test("each kind of filter is timed when its answer is there, and plain ones are not", async () => {
  const { counts, seconds } = observed();
  const asked = Promise.withResolvers<boolean>();
  const jq = { compile: () => Promise.resolve({ matches: () => asked.promise, [Symbol.dispose]: () => undefined }) };
  const services = createFilterServices({ jq, seconds });
  const matches = async (filter: HttpFilter): Promise<boolean> => {
    const { signal } = new AbortController();
    using compiled = await compileFilter(filter, { services, owner: {}, signal, onProblem: (text) => assert.fail(text) });
    return await compiled.matches(request);
  };
  const timed = (): readonly number[] => filterKinds.map((kind) => counts.get(kind) ?? 0);

  assert.equal(await matches({ kind: "header", value: "^x-user: alice$" }), true);
  assert.equal(await matches({ kind: "path", value: "^/orders$" }), true);
  assert.equal(await matches({ kind: "method", value: { kind: "post" } }), true);
  assert.deepEqual(timed(), [0, 0, 0, 0]);
  assert.equal(await matches(body("^alice$")), true);
  assert.equal(await matches(body("^bob$")), false);
  assert.deepEqual(timed(), [0, 2, 0, 0]);
  assert.equal(await matches({ kind: "header", value: "^x-user: (?=a)" }), true);
  assert.deepEqual(timed(), [0, 2, 0, 1]);
  const late = matches({ kind: "headerJq", value: "." });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(timed(), [0, 2, 0, 1]);
  asked.resolve(true);
  assert.equal(await late, true);
  assert.deepEqual(timed(), [0, 2, 1, 1]);
});
