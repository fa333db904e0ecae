// Compiles a client's filter once, at subscription, into something that answers for each request in bounded time, and where it can at once.

import { setImmediate } from "node:timers/promises";
import type { HttpFilter, HttpMethodFilter } from "@understudy/protocol";
import type { CompiledFilter, FilterMeans } from "./compiledFilter.ts";
import type { JqProgram } from "./jq/jqEngine.ts";
import { BodyFilter } from "./json/bodyFilter.ts";
import { FilterError } from "./filterError.ts";
import type { FilterInput } from "./filterInput.ts";
import { type FilterSeconds, timed } from "./filterTime.ts";
import { TextPattern } from "./textPattern.ts";

export type { CompiledFilter } from "./compiledFilter.ts";

/** Deepest nesting of composites. */
const MAX_DEPTH = 32;
/** Most filters in one subscription, composites included. */
const MAX_FILTERS = 256;

/** Largest sum of the sizes of all patterns in one subscription; compiling so much takes some tens of milliseconds. */
const MAX_TOTAL_SIZE = 8000;

/** Size from which compiling a pattern takes milliseconds. */
const LARGE_SIZE = 200;

/** What one subscription has used up of its limits. */
interface Used {
  filters: number;
  size: number;
}

/** Rejects with a FilterError whose message is for the client. */
export async function compileFilter(filter: HttpFilter, means: FilterMeans): Promise<CompiledFilter> {
  return await compile(filter, means, 0, { filters: 0, size: 0 });
}

/** The filter of old clients, which is a pattern for headers. Rejects with a FilterError. */
export function compileHeaderFilter(pattern: string, means: FilterMeans): Promise<CompiledFilter> {
  return compileFilter({ kind: "header", value: pattern }, means);
}

async function compile(filter: HttpFilter, means: FilterMeans, depth: number, used: Used): Promise<CompiledFilter> {
  if (depth > MAX_DEPTH) throw new FilterError(`filters nested deeper than ${MAX_DEPTH}`);
  if (++used.filters > MAX_FILTERS) throw new FilterError(`more than ${MAX_FILTERS} filters in one subscription`);
  switch (filter.kind) {
    case "header":
      return new HeaderFilter(await compilePattern(filter.value, true, means, used));
    case "path":
      return new PathFilter(await compilePattern(filter.value, true, means, used));
    case "method":
      return new MethodFilter(filter.value);
    case "composite":
      return await compileComposite(filter.value, means, depth, used);
    case "body":
      return new BodyFilter(filter.value.value, await compilePattern(filter.value.value.matches, false, means, used), means);
    case "headerJq":
      return await compileJq(filter.value, means);
  }
}

async function compileComposite(
  { all, filters }: Extract<HttpFilter, { kind: "composite" }>["value"],
  means: FilterMeans,
  depth: number,
  used: Used,
): Promise<CompiledFilter> {
  using parts = new DisposableStack();
  const compiled: CompiledFilter[] = [];
  for (const part of filters) compiled.push(parts.use(await compile(part, means, depth + 1, used)));
  return new CompositeFilter(all, compiled, parts.move());
}

async function compileJq(program: string, { services, owner, signal, onProblem }: FilterMeans): Promise<CompiledFilter> {
  if (services.jq === null) throw new FilterError("jq filters are not available");
  try {
    return new JqFilter(await services.jq.compile(program, { onProblem, owner, signal }), services.seconds);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new FilterError("the client left", { cause: error });
  }
}

async function compilePattern(pattern: string, ignoreCase: boolean, means: FilterMeans, used: Used): Promise<TextPattern> {
  const compiled = new TextPattern(pattern, ignoreCase, means);
  const { size } = compiled.regex;
  used.size += size;
  if (used.size > MAX_TOTAL_SIZE) throw new FilterError(`patterns of one subscription exceed ${MAX_TOTAL_SIZE} parts`);
  // A large one takes some ten milliseconds: others have their turn before the next.
  if (size > LARGE_SIZE) await setImmediate();
  return compiled;
}

/** All or any of its parts, in order, until one decides. */
class CompositeFilter implements CompiledFilter {
  readonly needsBody: boolean;
  readonly #all: boolean;
  readonly #parts: readonly CompiledFilter[];
  readonly #owned: DisposableStack;

  constructor(all: boolean, parts: readonly CompiledFilter[], owned: DisposableStack) {
    this.needsBody = parts.some((part) => part.needsBody);
    this.#all = all;
    this.#parts = parts;
    this.#owned = owned;
  }

  matches(request: FilterInput): boolean | Promise<boolean> {
    const all = this.#all;
    for (let i = 0; i < this.#parts.length; i++) {
      const answer = this.#parts[i]!.matches(request);
      if (typeof answer !== "boolean") return this.#goOn(request, i, answer);
      if (answer !== all) return answer;
    }
    return all;
  }

  async #goOn(request: FilterInput, index: number, pending: Promise<boolean>): Promise<boolean> {
    if ((await pending) !== this.#all) return !this.#all;
    for (const part of this.#parts.slice(index + 1)) {
      if ((await part.matches(request)) !== this.#all) return !this.#all;
    }
    return this.#all;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

class HeaderFilter implements CompiledFilter {
  readonly needsBody = false;
  readonly #pattern: TextPattern;
  /** The only header that can match, where the pattern is anchored and names one. */
  readonly #onlyName: string | null;

  constructor(pattern: TextPattern) {
    this.#pattern = pattern;
    this.#onlyName = /^([a-z0-9-]+):/.exec(pattern.regex.requirement.prefix)?.[1] ?? null;
  }

  matches(request: FilterInput): boolean | Promise<boolean> {
    const count = request.headerCount;
    const onlyName = this.#onlyName;
    const { regex } = this.#pattern;
    if (onlyName === null && !request.lowerHeaders.includes(regex.requirement.contained)) return false;
    let slow: string[] | null = null;
    regex.startOver();
    for (let i = 0; i < count; i++) {
      if (onlyName !== null && !request.isNamed(i, onlyName)) continue;
      const line = request.headerLine(i);
      if (line === null) continue;
      const answer = regex.test(line);
      if (answer === true) return true;
      if (answer === null) (slow ??= []).push(line.text);
    }
    return slow !== null && this.#pattern.searchAny(slow);
  }

  [Symbol.dispose](): void {}
}

class PathFilter implements CompiledFilter {
  readonly needsBody = false;
  readonly #pattern: TextPattern;

  constructor(pattern: TextPattern) {
    this.#pattern = pattern;
  }

  matches(request: FilterInput): boolean | Promise<boolean> {
    const { path, pathAndQuery } = request;
    if (path === null || pathAndQuery === null) return false;
    return this.#pattern.matchesAny(pathAndQuery === path ? [path] : [path, pathAndQuery]);
  }

  [Symbol.dispose](): void {}
}

class MethodFilter implements CompiledFilter {
  readonly needsBody = false;
  readonly #upperName: string;

  constructor(filter: HttpMethodFilter) {
    this.#upperName = (filter.kind === "other" ? filter.value : filter.kind).toUpperCase();
  }

  matches(request: FilterInput): boolean {
    return request.method === this.#upperName || request.method.toUpperCase() === this.#upperName;
  }

  [Symbol.dispose](): void {}
}

class JqFilter implements CompiledFilter {
  readonly needsBody = false;
  readonly #program: JqProgram;
  readonly #seconds: FilterSeconds;

  constructor(program: JqProgram, seconds: FilterSeconds) {
    this.#program = program;
    this.#seconds = seconds;
  }

  matches(request: FilterInput): boolean | Promise<boolean> {
    const texts: string[] = [];
    for (let i = 0; i < request.headerCount; i++) {
      const line = request.headerLine(i);
      if (line !== null) texts.push(line.text);
    }
    return texts.length > 0 && timed(this.#seconds, "jq", () => this.#program.matches(texts));
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}
