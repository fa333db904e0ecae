// The options that say which requests of a port are meant, and the filter they make. What filters match is the agent's.

import { type Command, Option } from "commander";
import type { HttpFilter, HttpMethodFilter } from "@understudy/protocol";
import { argument } from "../arguments.ts";
import { printable } from "../output.ts";
import { checkedPattern } from "./patternCheck.ts";

/** What commander makes of the options of `addFilterOptions`. */
export interface FilterOptions {
  readonly header?: readonly string[];
  readonly path?: readonly string[];
  readonly method?: readonly string[];
  readonly jsonBody?: readonly JsonBodyPattern[];
  readonly jq?: readonly string[];
  readonly allOf?: boolean;
  readonly anyOf?: boolean;
}

export interface JsonBodyPattern {
  readonly query: string;
  readonly matches: string;
}

/** One filter with the words that the user knows it by. */
export interface NamedFilter {
  readonly name: string;
  readonly filter: HttpFilter;
}

/** The filters of a command. None means everything. */
export interface FilterChoice {
  readonly isAnyOf: boolean;
  readonly filters: readonly NamedFilter[];
}

export function addFilterOptions(command: Command): Command {
  return command
    .option("--header <regex>", "requests with a header that matches, as in `name: value`", repeated(checkedPattern))
    .option("--path <regex>", "requests whose path matches, without or with its query", repeated(checkedPattern))
    .option("--method <name>", "requests of this method", repeated(checkedMethod))
    .option("--json-body <query=regex>", "requests whose JSON body has a matching value at a JSONPath", repeated(parseJsonBody))
    .option("--jq <program>", "requests with a header for which a jq program says true", repeated(String))
    .addOption(new Option("--all-of", "requests that all of these match (default)").conflicts("anyOf"))
    .option("--any-of", "requests that at least one of these matches");
}

export const filterHelp = `
Filters can be given several times. Patterns are regular expressions in Rust's syntax, searched for anywhere and, but for bodies, in any case.
--json-body '$.user.name=^me$' looks at values of the body: strings as they are, others as JSON.
--jq 'startswith("x-user: me")' is run for each header as the text \`name: value\`.`;

export function filterChoice(options: FilterOptions): FilterChoice {
  const named = <T>(values: readonly T[] | undefined, name: (value: T) => string, filter: (value: T) => HttpFilter): NamedFilter[] =>
    (values ?? []).map((value) => ({ name: printable(name(value)), filter: filter(value) }));
  return {
    isAnyOf: options.anyOf === true,
    filters: [
      ...named(
        options.header,
        (value) => `header ${value}`,
        (value) => ({ kind: "header", value }),
      ),
      ...named(
        options.path,
        (value) => `path ${value}`,
        (value) => ({ kind: "path", value }),
      ),
      ...named(
        options.method,
        (value) => `method ${value}`,
        (value) => ({ kind: "method", value: methodFilter(value) }),
      ),
      ...named(
        options.jsonBody,
        ({ query, matches }) => `body ${query}=${matches}`,
        (value) => ({ kind: "body", value: { kind: "json", value } }),
      ),
      ...named(
        options.jq,
        (value) => `jq ${value}`,
        (value) => ({ kind: "headerJq", value }),
      ),
    ],
  };
}

/** What to subscribe with. */
export function httpFilter({ isAnyOf, filters }: FilterChoice): HttpFilter | undefined {
  if (filters.length < 2) return filters[0]?.filter;
  return { kind: "composite", value: { all: !isAnyOf, filters: filters.map(({ filter }) => filter) } };
}

/** Such as `requests with header ^a: b$ and path ^/x`. */
export function filterText({ isAnyOf, filters }: FilterChoice): string {
  if (filters.length === 0) return "everything";
  return `requests with ${filters.map(({ name }) => name).join(isAnyOf ? " or " : " and ")}`;
}

/** Splits at the first `=` that is not inside brackets, where JSONPath has its comparisons. @throws Error that says what is wrong. */
export function parseJsonBody(text: string): JsonBodyPattern {
  let depth = 0;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const character = text[i] ?? "";
    if (quote !== "") {
      if (character === "\\") i += 1;
      else if (character === quote) quote = "";
    } else if (depth > 0 && (character === "'" || character === '"')) quote = character;
    else if (character === "[") depth += 1;
    else if (character === "]") depth -= 1;
    else if (character === "=" && depth === 0) return checkedJsonBody(text.slice(0, i), text.slice(i + 1));
  }
  throw new Error("It must be QUERY=REGEX, such as $.user=^me$.");
}

function checkedJsonBody(query: string, matches: string): JsonBodyPattern {
  if (!query.startsWith("$")) throw new Error("A JSONPath begins with $, such as $.user.");
  return { query, matches: checkedPattern(matches) };
}

function checkedMethod(text: string): string {
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(text)) throw new Error("It is no method, such as GET.");
  return text;
}

const standardMethods = ["get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"] as const;

function methodFilter(method: string): HttpMethodFilter {
  const standard = standardMethods.find((name) => name === method.toLowerCase());
  return standard === undefined ? { kind: "other", value: method } : { kind: standard };
}

function repeated<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => T[] {
  const parsed = argument(parse);
  return (text, before = []) => [...before, parsed(text)];
}
