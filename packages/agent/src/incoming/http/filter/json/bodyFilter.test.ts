// Filters on bodies as requests bring them: encoded or not, small or large, hostile or not.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import type { HttpFilter } from "@understudy/protocol";
import type { CompiledFilter } from "../compiledFilter.ts";
import { compileFilter } from "../compileFilter.ts";
import { HeaderListInput } from "../filterInput.ts";
import { createFilterServices } from "../filterServices.ts";

const MAX_BYTES = 64 * 1024;

interface Compiled {
  readonly filter: CompiledFilter;
  readonly told: readonly string[];
}

async function compiled(query: string, matches: string, bodyMaxBytes = MAX_BYTES): Promise<Compiled> {
  const told: string[] = [];
  const value: HttpFilter = { kind: "body", value: { kind: "json", value: { query, matches } } };
  const services = createFilterServices({ jq: null, bodyMaxBytes });
  const filter = await compileFilter(value, {
    services,
    owner: {},
    signal: new AbortController().signal,
    onProblem: (text) => told.push(text),
  });
  return { filter, told };
}

function request(body: Uint8Array | string | null, ...codings: readonly string[]): HeaderListInput {
  const headers = codings.map((coding) => ["content-encoding", coding] as const);
  return new HeaderListInput("POST", "/", headers, typeof body === "string" ? Buffer.from(body) : body);
}

test("a body matches when the text of some selected node does, with its case", async () => {
  const body = '{"user":"Alice","ids":[1,2.50],"deep":{"b":null,"a":"x"}}';
  const cases: readonly (readonly [query: string, matches: string, expected: boolean])[] = [
    ["$.user", "^Alice$", true],
    ["$.user", "alice", false],
    ["$.user", "(?i)alice", true],
    ["$.ids[*]", "^2\\.5$", true],
    ["$.ids", "^\\[1,2\\.5\\]$", true],
    ["$.deep", '^\\{"a":"x","b":null\\}$', true],
    ["$.none", "", false],
    ["$..*", "^x$", true],
    ["$.user", "^(?!Bob)(\\w)", true],
    ["$.user", "^(?!Alice)(\\w)", false],
    ["$[?typeof(@)=='string']", "lic", true],
  ];
  for (const [query, matches, expected] of cases) {
    const { filter } = await compiled(query, matches);
    assert.equal(filter.needsBody, true);
    assert.equal(filter.matches(request(body)), expected, `${query} ${matches}`);
  }
});

test("no body, or one that is no JSON, matches nothing", async () => {
  const { filter, told } = await compiled("$", "");
  for (const body of [
    null,
    "",
    "{",
    "1 2",
    "1x",
    '"\ud800"'.replace("\ud800", "\\ud800"),
    Buffer.from([0x22, 0xff, 0x22]),
    "[".repeat(60_000),
  ]) {
    assert.equal(filter.matches(request(body)), false, String(body).slice(0, 20));
  }
  assert.equal(filter.matches(request(" 1\n")), true);
  assert.deepEqual(told, []);
});

suite("encoded bodies", () => {
  const body = Buffer.from('{"a":"yes"}');
  const cases: readonly (readonly [name: string, bytes: Uint8Array, codings: readonly string[], expected: boolean])[] = [
    ["gzip", gzipSync(body), ["gzip"], true],
    ["x-gzip", gzipSync(body), ["X-GZIP"], true],
    ["deflate", deflateSync(body), ["deflate"], true],
    ["deflate without its frame", deflateRawSync(body), ["deflate"], true],
    ["br", brotliCompressSync(body), ["br"], true],
    ["two codings", gzipSync(brotliCompressSync(body)), ["br, gzip"], true],
    ["two codings in two headers", gzipSync(brotliCompressSync(body)), ["br", "gzip"], true],
    ["identity", body, ["identity"], true],
    ["an unknown coding", body, ["zap"], false],
    ["three codings", gzipSync(gzipSync(gzipSync(body))), ["gzip, gzip, gzip"], false],
    ["gzip that is none", body, ["gzip"], false],
    ["half of a gzip", gzipSync(body).subarray(0, 20), ["gzip"], false],
    ["a coding that is not said", gzipSync(body), [], false],
    ["larger than allowed when decoded", gzipSync(Buffer.from(`{"a":"yes","b":"${"b".repeat(10_000_000)}"}`)), ["gzip"], false],
  ];
  for (const [name, bytes, codings, expected] of cases) {
    test(name, async () => {
      const { filter } = await compiled("$.a", "^yes$");
      assert.equal(await filter.matches(request(bytes, ...codings)), expected);
    });
  }
});

test("a large body is parsed in slices, and other work goes on meanwhile", async () => {
  const body = JSON.stringify({ items: Array.from({ length: 60_000 }, (_, id) => ({ id, name: `item ${id}` })) });
  const { filter } = await compiled("$.items[5].name", "^item 5$", body.length + 1);
  const input = request(body);
  const answer = filter.matches(input);
  assert.ok(answer instanceof Promise);
  let isOver = false;
  let turns = 0;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  assert.equal(await answer, true);
  isOver = true;
  assert.ok(turns > 20, `${turns} turns of the event loop`);
  // It is known now, for other filters, too.
  assert.equal(filter.matches(input), true);
});

test("a query that has too much to look at does not match, its client is told once, and it rests when that goes on", async () => {
  const { filter, told } = await compiled("$[?$==$]", "x");
  const body = `[${"0,".repeat(30_000)}0]`;
  const processorTimeOf = async (requests: number): Promise<number> => {
    const start = process.cpuUsage();
    for (let i = 0; i < requests; i++) assert.equal(await filter.matches(request(body)), false);
    return process.cpuUsage(start).user;
  };
  const first = await processorTimeOf(5);
  const all = await processorTimeOf(1000);
  assert.equal(told.length, 2);
  assert.match(told[0]!, /too much to look at in some body/);
  assert.match(told[1]!, /takes too much time: it is left out for a while/);
  assert.ok(all / 1000 < first / 5 / 2, `${all} us for 1,000, ${first} for the first 5`);
});
