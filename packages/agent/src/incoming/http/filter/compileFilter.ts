// Compiles a client's filter once, at subscription, into something that answers at once and in bounded time for each
// request. Filters that need a request's body or jq are refused.

import type { HttpFilter, HttpMethodFilter } from "@understudy/protocol";
import { FilterError } from "./filterError.ts";
import type { FilterInput } from "./filterInput.ts";
import { RustRegex } from "./rustRegex.ts";

export interface CompiledFilter {
  /** Whether the request is wanted. Never throws and never waits. */
  matches(request: FilterInput): boolean;
}

/** Deepest nesting of composites. */
const MAX_DEPTH = 32;
/** Most filters in one subscription, composites included. */
const MAX_FILTERS = 256;

/** Largest sum of the sizes of all patterns in one subscription; compiling so much takes a tenth of a second. */
const MAX_TOTAL_SIZE = 8000;

/** What one subscription has used up of its limits. */
interface Used {
  filters: number;
  size: number;
}

/** @throws FilterError whose message is for the client. */
export function compileFilter(filter: HttpFilter): CompiledFilter {
  return compile(filter, 0, { filters: 0, size: 0 });
}

/** The filter of old clients, which is a pattern for headers. @throws FilterError */
export function compileHeaderFilter(pattern: string): CompiledFilter {
  return new HeaderFilter(new RustRegex(pattern, true));
}

function compile(filter: HttpFilter, depth: number, used: Used): CompiledFilter {
  if (depth > MAX_DEPTH) throw new FilterError(`filters nested deeper than ${MAX_DEPTH}`);
  if (++used.filters > MAX_FILTERS) throw new FilterError(`more than ${MAX_FILTERS} filters in one subscription`);
  switch (filter.kind) {
    case "header":
      return new HeaderFilter(compilePattern(filter.value, used));
    case "path":
      return new PathFilter(compilePattern(filter.value, used));
    case "method":
      return new MethodFilter(filter.value);
    case "composite": {
      const parts = filter.value.filters.map((part) => compile(part, depth + 1, used));
      return filter.value.all
        ? { matches: (request) => parts.every((part) => part.matches(request)) }
        : { matches: (request) => parts.some((part) => part.matches(request)) };
    }
    case "body":
      throw new FilterError("body filters are not available");
    case "headerJq":
      throw new FilterError("jq filters are not available");
  }
}

function compilePattern(pattern: string, used: Used): RustRegex {
  const regex = new RustRegex(pattern, true);
  used.size += regex.size;
  if (used.size > MAX_TOTAL_SIZE) throw new FilterError(`patterns of one subscription exceed ${MAX_TOTAL_SIZE} parts`);
  return regex;
}

class HeaderFilter implements CompiledFilter {
  readonly #regex: RustRegex;
  /** The only header that can match, where the pattern is anchored and names one. */
  readonly #onlyName: string | null;

  constructor(regex: RustRegex) {
    this.#regex = regex;
    this.#onlyName = /^([a-z0-9-]+):/.exec(this.#regex.requirement.prefix)?.[1] ?? null;
  }

  matches(request: FilterInput): boolean {
    const count = request.headerCount;
    const onlyName = this.#onlyName;
    if (onlyName === null && !request.lowerHeaders.includes(this.#regex.requirement.contained)) return false;
    for (let i = 0; i < count; i++) {
      if (onlyName !== null && !request.isNamed(i, onlyName)) continue;
      const line = request.headerLine(i);
      if (line !== null && this.#regex.test(line)) return true;
    }
    return false;
  }
}

class PathFilter implements CompiledFilter {
  readonly #regex: RustRegex;

  constructor(regex: RustRegex) {
    this.#regex = regex;
  }

  matches(request: FilterInput): boolean {
    const { path, pathAndQuery } = request;
    if (path === null || pathAndQuery === null) return false;
    return this.#regex.test(path) || (pathAndQuery !== path && this.#regex.test(pathAndQuery));
  }
}

class MethodFilter implements CompiledFilter {
  readonly #upperName: string;

  constructor(filter: HttpMethodFilter) {
    this.#upperName = (filter.kind === "other" ? filter.value : filter.kind).toUpperCase();
  }

  matches(request: FilterInput): boolean {
    return request.method === this.#upperName || request.method.toUpperCase() === this.#upperName;
  }
}
