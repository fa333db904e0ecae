// The filters that options make, which of them a request came for, and what is refused before an agent is asked.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Command } from "commander";
import { headersFromRaw, type IncomingRequest } from "@understudy/client";
import { matchedFilters } from "./filterMatch.ts";
import { addFilterOptions, filterChoice, type FilterChoice, filterText, httpFilter, parseJsonBody } from "./filterOptions.ts";
import { checkedPattern } from "./patternCheck.ts";

function choice(...args: readonly string[]): FilterChoice {
  const command = addFilterOptions(new Command().exitOverride());
  return filterChoice(command.parse([...args], { from: "user" }).opts());
}

const request = (method: string, uri: string, ...raw: readonly string[]): IncomingRequest =>
  ({ method, uri, headers: headersFromRaw(raw) }) as unknown as IncomingRequest;

suite("filter options", () => {
  test("none are no filter, one is that filter, several are combined", () => {
    assert.equal(httpFilter(choice()), undefined);
    assert.equal(filterText(choice()), "everything");
    assert.deepEqual(httpFilter(choice("--method", "Purge")), { kind: "method", value: { kind: "other", value: "Purge" } });
    const all = choice("--header", "a", "--header", "b", "--path", "c", "--method", "post", "--json-body", "$.x=y", "--jq", ". == 1");
    assert.deepEqual(httpFilter(all), {
      kind: "composite",
      value: {
        all: true,
        filters: [
          { kind: "header", value: "a" },
          { kind: "header", value: "b" },
          { kind: "path", value: "c" },
          { kind: "method", value: { kind: "post" } },
          { kind: "body", value: { kind: "json", value: { query: "$.x", matches: "y" } } },
          { kind: "headerJq", value: ". == 1" },
        ],
      },
    });
    const any = choice("--any-of", "--header", "a", "--path", "b");
    assert.equal(filterText(any), "requests with header a or path b");
    const filter = httpFilter(any);
    assert.ok(filter?.kind === "composite" && !filter.value.all);
  });

  test("a body filter is split where its JSONPath ends", () => {
    assert.deepEqual(parseJsonBody("$.a=b=c"), { query: "$.a", matches: "b=c" });
    assert.deepEqual(parseJsonBody("$[?@.a == ']=x']['=']=^1$"), { query: "$[?@.a == ']=x']['=']", matches: "^1$" });
    assert.throws(() => parseJsonBody("$[?@.a == 1]"), /QUERY=REGEX/);
    assert.throws(() => parseJsonBody("a=b"), /begins with \$/);
  });

  test("patterns are refused only where no reader would take them", () => {
    for (const wrong of ["(", "a)", "[a", "a\\", "x(y[z]"]) assert.throws(() => checkedPattern(wrong), /no regular expression/, wrong);
    for (const right of ["a", "(?i)a", "(?P<n>a)", "a++", "[[:alpha:](]", "[]()]", "[^](]", "\\A(a|b)\\z", "(?>a)", "x{,3}"])
      checkedPattern(right);
  });

  test("of filters any of which is enough, those that matched are named, or those that may have", () => {
    const filters = ["--header", "^x-user: me$", "--path", "^/a$", "--method", "post", "--json-body", "$.x=y", "--path", "(?P<n>b)"];
    const names = matchedFilters(choice("--any-of", ...filters));
    assert.deepEqual(names(request("POST", "/a?b", "X-User", "ME")), ["header ^x-user: me$", "path ^/a$", "method post"]);
    assert.deepEqual(names(request("GET", "http://host/A", "x", "y")), ["path ^/a$"]);
    assert.deepEqual(names(request("GET", "/other")), ["path (?P<n>b) (?)", "body $.x=y (?)"]);
    assert.deepEqual(matchedFilters(choice("--path", "b"))(request("GET", "/")), ["path b"]);
  });
});
