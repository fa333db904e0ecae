// Where filters answer otherwise than in the reference on purpose, each by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpFilter } from "@understudy/protocol";
import { compileFilter } from "./compileFilter.ts";
import { FilterError } from "./filterError.ts";
import { HeaderListInput, type FilterInput } from "./filterInput.ts";
import { createFilterServices } from "./filterServices.ts";
import { FilterText } from "./filterText.ts";
import { RustRegex } from "./rustRegex.ts";

const get = new HeaderListInput("PURGE", "/", [["x-a", "x".repeat(30)]]);

async function answer(filter: HttpFilter, input: FilterInput, told: string[] = []): Promise<boolean> {
  const services = createFilterServices({ jq: null });
  const compiled = await compileFilter(filter, {
    services,
    owner: {},
    signal: new AbortController().signal,
    onProblem: (text) => told.push(text),
  });
  return compiled.matches(input);
}

test("a custom method matches; in the reference it never does", async () => {
  assert.equal(await answer({ kind: "method", value: { kind: "other", value: "purge" } }, get), true);
});

test("directed word boundaries are understood; the reference refuses them", () => {
  assert.equal(new RustRegex("\\b{start}a").test(new FilterText("x a")), true);
  assert.equal(new RustRegex("a\\b{end-half}").test(new FilterText("ab")), false);
});

test("groups may be nested 100 deep; in the reference 63", () => {
  assert.equal(new RustRegex(`${"(".repeat(100)}a${")".repeat(100)}`).test(new FilterText("a")), true);
});

test("the size of a pattern is limited; in the reference that of its automaton", () => {
  assert.throws(() => new RustRegex("a{5000}"), FilterError);
});

test("a search is given up after 4 million steps, also where the reference would need no more; the client is told", async () => {
  const told: string[] = [];
  const long = new HeaderListInput("GET", "/", [
    ["x-a", Array.from({ length: 60_000 }, (_, i) => (Math.sin(i * i) > 0 ? "a" : "x")).join("")],
  ]);
  assert.equal(await answer({ kind: "header", value: "(a.{100}){10}[bc]" }, long, told), false);
  assert.match(told.join(), /takes too long on some request/);
});

test("a filter that used up its time is left out for a while; the reference goes on", async () => {
  const told: string[] = [];
  const services = createFilterServices({ jq: null });
  const compiled = await compileFilter(
    { kind: "header", value: "^x-a: (x+x+)+(?=y)" },
    { services, owner: {}, signal: new AbortController().signal, onProblem: (text) => told.push(text) },
  );
  for (let i = 0; i < 4; i++) assert.equal(await compiled.matches(get), false);
  assert.equal(told.length, 2);
  assert.match(told[1]!, /left out for a while/);
  assert.equal(compiled.matches(get), false, "at once");
});

test("an encoded body is decoded for its filters; the reference matches none", async () => {
  const { gzipSync } = await import("node:zlib");
  const input = new HeaderListInput("POST", "/", [["content-encoding", "gzip"]], gzipSync('{"a":1}'));
  assert.equal(await answer({ kind: "body", value: { kind: "json", value: { query: "$.a", matches: "1" } } }, input), true);
});

test("a JSONPath query has a length and a depth; in the reference neither", async () => {
  const query = `$[?${"(".repeat(40)}@${")".repeat(40)}]`;
  await assert.rejects(answer({ kind: "body", value: { kind: "json", value: { query, matches: "" } } }, get), FilterError);
});
