// Which variables a client gets, and that asking cannot be made expensive for others.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { selectEnvironment } from "./select.ts";
import { Wildcard } from "./wildcard.ts";

const variables = new Map([
  ["DB_HOST", "db"],
  ["DB_PORT", "5432"],
  ["Db_Case", "x"],
  ["PATH", "/bin"],
  ["HOME", "/root"],
]);

async function selected(filter: string[], select: string[]): Promise<string[]> {
  return [...(await selectEnvironment(variables, new Set(filter), new Set(select))).keys()];
}

test("without patterns everything but the fixed list is given", async () => {
  assert.deepEqual(await selected([], []), ["DB_HOST", "DB_PORT", "Db_Case"]);
});

test("patterns match whole keys with their case, and exclusion wins", async () => {
  assert.deepEqual(await selected([], ["DB_*"]), ["DB_HOST", "DB_PORT"]);
  assert.deepEqual(await selected([], ["DB_"]), []);
  assert.deepEqual(await selected([], ["?b_Case", "PATH"]), ["Db_Case"]);
  assert.deepEqual(await selected(["*PORT"], ["DB_*"]), ["DB_HOST"]);
  assert.deepEqual(await selected(["DB_HOST"], ["DB_HOST"]), []);
  assert.deepEqual(await selected(["*"], []), []);
  assert.deepEqual(await selected([], ["*"]), ["DB_HOST", "DB_PORT", "Db_Case"]);
  assert.deepEqual(await selected([], [""]), []);
});

/** The definition, without a care for speed. */
function matchesByDefinition(pattern: string, name: string): boolean {
  if (pattern === "") return name === "";
  const [first] = pattern;
  const rest = pattern.slice(1);
  if (first === "*") return matchesByDefinition(rest, name) || (name !== "" && matchesByDefinition(pattern, name.slice(1)));
  return name !== "" && (first === "?" || first === name[0]) && matchesByDefinition(rest, name.slice(1));
}

test("a match is what the definition says", () => {
  const text = (characters: string[], maxLength: number) =>
    fc.array(fc.constantFrom(...characters), { maxLength }).map((each) => each.join(""));
  fc.assert(
    fc.property(text(["a", "b", "*", "?"], 8), text(["a", "b"], 8), (pattern, name) => {
      assert.equal(new Wildcard(pattern).match([...name]).isMatch, matchesByDefinition(pattern, name));
    }),
    { numRuns: 3000 },
  );
});

test("a question mark is one character, not one UTF-16 unit", () => {
  assert.ok(new Wildcard("a?b").match(["a", "😀", "b"]).isMatch);
});

test("many stars do not make a match slow", () => {
  const { isMatch, steps } = new Wildcard(`${"*a".repeat(500)}b`).match([..."a".repeat(1000)]);
  assert.equal(isMatch, false);
  assert.ok(steps < 1_100_000, String(steps));
});

test("a request whose client left ends", async () => {
  const many = new Map(Array.from({ length: 50 }, (_, i) => [`${"a".repeat(100)}${i}`, ""]));
  const patterns = new Set(Array.from({ length: 100_000 }, (_, i) => `*a*a*a*${i}x`));
  const gone = new AbortController();
  const work = selectEnvironment(many, new Set(), patterns, gone.signal);
  const reason = new Error("gone");
  setImmediate(() => gone.abort(reason));
  await assert.rejects(work, reason);
});

test("a hostile request does not hold the event loop", async () => {
  const many = new Map(Array.from({ length: 50 }, (_, i) => [`${"a".repeat(100)}${i}`, ""]));
  const patterns = new Set(Array.from({ length: 4_000 }, (_, i) => `*a*a*a*${i}x`));
  let turns = 0;
  let longestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    turns++;
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }, 1);
  const result = await selectEnvironment(many, new Set(), patterns);
  clearInterval(timer);
  assert.equal(result.size, 0);
  assert.ok(turns > 10, `${turns} turns`);
  // Slices take about two milliseconds; the rest is for a busy machine.
  assert.ok(longestMs < 200, `${longestMs} ms`);
});
