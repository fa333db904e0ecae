// Filters on requests, in both forms that requests have.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { HttpFilter } from "@understudy/protocol";
import { RequestHead } from "../head.ts";
import type { CompiledFilter, FilterMeans } from "./compiledFilter.ts";
import { compileFilter, compileHeaderFilter } from "./compileFilter.ts";
import { FilterError } from "./filterError.ts";
import { createFilterServices } from "./filterServices.ts";
import { FilterText } from "./filterText.ts";
import { RustRegex } from "./rustRegex.ts";
import { HeaderListInput, RequestHeadInput, type FilterInput } from "./filterInput.ts";

function request(line: string, ...headers: readonly string[]): FilterInput {
  const bytes = Buffer.from(`..${[`${line} HTTP/1.1`, ...headers].join("\r\n")}\r\n\r\n`, "latin1");
  const head = new RequestHead();
  assert.equal(head.scan(bytes, 2, bytes.length), "complete", head.reason);
  return new RequestHeadInput(bytes, head);
}

const services = createFilterServices({ jq: null });
const means: FilterMeans = { services, owner: {}, signal: new AbortController().signal, onProblem: (text) => assert.fail(text) };
const compiled = (filter: HttpFilter): Promise<CompiledFilter> => compileFilter(filter, means);

const header = (value: string): HttpFilter => ({ kind: "header", value });
const path = (value: string): HttpFilter => ({ kind: "path", value });
const both = (...filters: readonly HttpFilter[]): HttpFilter => ({ kind: "composite", value: { all: true, filters } });
const either = (...filters: readonly HttpFilter[]): HttpFilter => ({ kind: "composite", value: { all: false, filters } });

suite("header filters", () => {
  const get = request("GET /", "Host: a", "X-User: Nobody", "X-User: second", "X-Odd: \xe4b", "X-Tab: a\tb", "X-Empty:");
  const cases: readonly (readonly [pattern: string, expected: boolean])[] = [
    ["^x-user: nobody$", true],
    ["^X-USER: NOBODY$", true],
    ["^x-user: second$", true],
    ["^x-user: nobod$", false],
    ["user: nobody", true],
    ["^user: nobody", false],
    ["x-user: (nobody|root)", true],
    ["^x-user:\\s*nobody$", true],
    ["^x-user: no.*y$", true],
    ["^x-user:nobody$", false],
    ["(?-i)X-User: Nobody", false],
    ["(?-i)x-user: Nobody", true],
    ["x-odd", false],
    ["^x-tab: a\\sb$", true],
    ["^x-empty: $", true],
    ["\\<nobody\\>", true],
    ["second.*x-", false],
    ["", true],
    ["^x-none: ", false],
  ];
  for (const [pattern, expected] of cases) {
    test(JSON.stringify(pattern), async () => {
      assert.equal((await compiled(header(pattern))).matches(get), expected);
      const old = await compileHeaderFilter(pattern, means);
      assert.equal(old.matches(get), expected);
    });
  }

  test("a request without headers matches no header filter", async () => {
    assert.equal((await compiled(header(""))).matches(request("GET /")), false);
  });

  test("header lists match alike", async () => {
    const list = new HeaderListInput("GET", "/a?b=1", [
      ["x-user", "Nobody"],
      ["x-odd", "\xe4"],
    ]);
    assert.equal((await compiled(header("^x-user: nobody$"))).matches(list), true);
    assert.equal((await compiled(header("x-odd"))).matches(list), false);
    assert.equal((await compiled(path("^/a$"))).matches(list), true);
    assert.equal((await compiled(path("."))).matches(new HeaderListInput("CONNECT", null, [])), false);
  });
});

test("white space around values plays no part, whatever pattern is used", async () => {
  const odd = request("GET /", "X-A:one", "X-B: \t two \t", "X-C:\tthree", "X-D:");
  for (const pattern of ["^x-a: one$", "x-a: one", "a: one", "b: two", "^x-b: t.o$", "c: three", "x-d: ", ": $"]) {
    assert.ok((await compiled(header(pattern))).matches(odd), pattern);
  }
  assert.ok(!(await compiled(header("x-a:one"))).matches(odd));
});

test("a header filter matches when its pattern matches some line, and only then", async () => {
  const piece = fc.constantFrom("a", "B", "x-a", ": ", ":", "\xe4", " ", "\t");
  const value = fc.array(piece, { maxLength: 5 }).map((parts) => parts.join(""));
  const headers = fc.array(fc.tuple(fc.constantFrom("X-A", "b", "ab"), fc.constantFrom(":", ": ", ":\t"), value), { maxLength: 4 });
  const pattern = fc
    .tuple(
      fc.constantFrom("", "^"),
      fc.array(fc.constantFrom("x-a", ": ", "a", "b", ".", ".*", "\\s", ":"), { maxLength: 4 }),
      fc.constantFrom("", "$"),
    )
    .map(([start, parts, end]) => start + parts.join("") + end);
  await fc.assert(
    fc.asyncProperty(headers, pattern, async (list, source) => {
      const input = request("GET /", ...list.map((line) => line.join("")));
      const regex = new RustRegex(source, true);
      const expected = list.some(([name, , raw]) => {
        const trimmed = raw.replaceAll(/^[ \t]+|[ \t]+$/g, "");
        return !trimmed.includes("\xe4") && regex.test(new FilterText(`${name.toLowerCase()}: ${trimmed}`));
      });
      assert.equal((await compiled(header(source))).matches(input), expected);
    }),
    { numRuns: 2000 },
  );
});

suite("path filters", () => {
  const cases: readonly (readonly [pattern: string, target: string, expected: boolean])[] = [
    ["^/x$", "GET /x?y=1", true],
    ["^/x\\?y=1$", "GET /x?y=1", true],
    ["y=1", "GET /x?y=1", true],
    ["^/X$", "GET /x", true],
    ["^/y", "GET /x", false],
    ["^/a/b$", "GET http://host:1/a/b?c", true],
    ["host", "GET http://host:1/a/b?c", false],
    ["^/$", "GET http://host", true],
    ["^/\\?q$", "GET http://host?q", true],
    ["^\\*$", "OPTIONS *", true],
    ["", "CONNECT a:1", false],
    ["^/\u00e4$", "GET /\xc3\xa4", true],
    ["^/\u00c4$", "GET /\xc3\xa4", true],
    ["^/\\w$", "GET /\xc3\xa4", true],
    ["^/%C3", "GET /%c3%a4", true],
    ["^/x$", "GET /x?", true],
  ];
  for (const [pattern, target, expected] of cases) {
    test(`${JSON.stringify(pattern)} on ${JSON.stringify(target)}`, async () => {
      assert.equal((await compiled(path(pattern))).matches(request(target)), expected);
    });
  }
});

test("methods are compared without case, custom ones, too", async () => {
  const method = async (filter: HttpFilter, line: string): Promise<boolean> => (await compiled(filter)).matches(request(line));
  const get: HttpFilter = { kind: "method", value: { kind: "get" } };
  const purge: HttpFilter = { kind: "method", value: { kind: "other", value: "purge" } };
  assert.ok(await method(get, "GET /"));
  assert.ok(await method(get, "get /"));
  assert.ok(!(await method(get, "POST /")));
  assert.ok(await method(purge, "PURGE /"));
  assert.ok(!(await method(purge, "GET /")));
});

test("composites are all or any of their parts; empty all matches, empty any does not", async () => {
  const get = request("GET /a", "X: y");
  assert.ok((await compiled(both(header("^x: y$"), path("^/a$")))).matches(get));
  assert.ok(!(await compiled(both(header("^x: y$"), path("^/b$")))).matches(get));
  assert.ok((await compiled(either(header("nope"), path("^/a$")))).matches(get));
  assert.ok(!(await compiled(either(header("nope"), path("^/b$")))).matches(get));
  assert.ok((await compiled(both())).matches(get));
  assert.ok(!(await compiled(either())).matches(get));
  assert.ok((await compiled(both(either(both(header("x"))), both()))).matches(get));
});

test("what is not available is refused with a text for the client", async () => {
  const refused = (filter: HttpFilter, message: RegExp): Promise<void> => {
    return assert.rejects(compiled(filter), { constructor: FilterError, message });
  };
  await refused(
    { kind: "body", value: { kind: "json", value: { query: "$[", matches: "a" } } },
    /expected a selector at position 2 of the JSONPath query/,
  );
  await refused(both({ kind: "headerJq", value: "." }), /jq filters are not available/);
  await refused(header("(?<=a+)b"), /look-behind of no fixed length/);
  await refused(both(...Array.from({ length: 600 }, () => path("a"))), /more than 256 filters/);
  await refused(both(...Array.from({ length: 3 }, () => path("(?:x?){1300}[yz]"))), /exceed 8000 parts/);
  let deep: HttpFilter = path("a");
  for (let i = 0; i < 40; i++) deep = both(deep);
  await refused(deep, /nested deeper than 32/);
});
