// Which of a user's filters a request came for. The agent does not say; where one of several is enough, this looks itself as far as it can.

import { type IncomingRequest, rawFromHeaders } from "@understudy/client";
import type { HttpFilter } from "@understudy/protocol";
import type { FilterChoice } from "./filterOptions.ts";

type Matcher = (request: IncomingRequest) => boolean;

/** Makes a function that gives the names of a request's filters. One with a question mark may have matched: only the agent can tell. */
export function matchedFilters({ isAnyOf, filters }: FilterChoice): (request: IncomingRequest) => readonly string[] {
  const names = filters.map(({ name }) => name);
  if (!isAnyOf || filters.length < 2) return () => names;
  const matchers = filters.map(({ name, filter }) => ({ name, matches: matcherOf(filter) }));
  return (request) => {
    const certain = matchers.filter(({ matches }) => matches?.(request) === true);
    if (certain.length > 0) return certain.map(({ name }) => name);
    return matchers.filter(({ matches }) => matches === null).map(({ name }) => `${name} (?)`);
  };
}

/** Null for what cannot be told here: bodies, jq, and patterns that JavaScript does not know. */
function matcherOf(filter: HttpFilter): Matcher | null {
  switch (filter.kind) {
    case "method": {
      const method = (filter.value.kind === "other" ? filter.value.value : filter.value.kind).toUpperCase();
      return (request) => request.method.toUpperCase() === method;
    }
    case "header": {
      const pattern = patternOf(filter.value);
      return pattern && (({ headers }) => pairs(rawFromHeaders(headers)).some((text) => pattern.test(text)));
    }
    case "path": {
      const pattern = patternOf(filter.value);
      return pattern && (({ uri }) => pathsOf(uri).some((path) => pattern.test(path)));
    }
    case "body":
    case "headerJq":
    case "composite":
      return null;
  }
}

function patternOf(source: string): RegExp | null {
  try {
    return new RegExp(source, "iu");
  } catch {
    return null;
  }
}

function pairs(raw: readonly string[]): string[] {
  return Array.from({ length: raw.length / 2 }, (_, i) => `${raw[2 * i]}: ${raw[2 * i + 1]}`);
}

/** The path without and with its query, of either form of request target. */
function pathsOf(uri: string): string[] {
  const origin = /^[^/?#]*:\/\/[^/?#]*(.*)$/su.exec(uri)?.[1] ?? uri;
  const query = origin.indexOf("?");
  return query < 0 ? [origin] : [origin.slice(0, query), origin];
}
