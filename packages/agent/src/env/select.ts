// Which variables of the target a client gets. What a client asks is bounded only by the size of its message, so the work is cut in
// slices between which the event loop goes on.

import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { isWildcard, Wildcard } from "./wildcard.ts";

/**
 * Variables that say where things are in the target's own image, or configure the agent: a program elsewhere would break with them.
 * The reference's list; exact names.
 */
const neverSelected: ReadonlySet<string> = new Set([
  "BUNDLER_ORIG_BUNDLER_ORIG_MANPATH",
  "BUNDLER_ORIG_BUNDLER_VERSION",
  "BUNDLER_ORIG_BUNDLE_BIN_PATH",
  "BUNDLER_ORIG_BUNDLE_GEMFILE",
  "BUNDLER_ORIG_GEM_HOME",
  "BUNDLER_ORIG_MANPATH",
  "BUNDLER_ORIG_PATH",
  "BUNDLER_ORIG_RB_USER_INSTALL",
  "BUNDLER_ORIG_RUBYLIB",
  "BUNDLER_ORIG_RUBYOPT",
  "BUNDLER_VERSION",
  "BUNDLE_APP_CONFIG",
  "BUNDLE_BIN_PATH",
  "BUNDLE_FORCE_RUBY_PLATFORM",
  "BUNDLE_GEMFILE",
  "BUNDLE_GEM_PATH",
  "BUNDLE_PATH",
  "BUNDLE_WITHOUT",
  "CATALINA_HOME",
  "CLASSPATH",
  "DOTNET_EnableDiagnostics",
  "DOTNET_STARTUP_HOOKS",
  "GEM_HOME",
  "GEM_PATH",
  "GOPATH",
  "GOMODCACHE",
  "HOME",
  "HOMEPATH",
  "JAVA_EXE",
  "JAVA_HOME",
  "JAVA_TOOL_OPTIONS",
  "PATH",
  "PWD",
  "PYTHONPATH",
  "RUBYLIB",
  "RUBYOPT",
  "MIRRORD_LOG",
  "RUST_LOG",
  "_JAVA_OPTIONS",
]);

/** Longer keys are nobody's: they are left out, so that the work for one key stays small. */
const keyLengthMax = 1024;
/** Longer patterns match nothing. */
const patternLengthMax = 4096;
/** Steps of matching in one turn of the event loop: about two milliseconds. */
const stepsPerTurn = 100_000;
/** After so many turns the work is no honest request's, and rests between slices. */
const promptTurns = 100;
const restMs = 10;

/** A key that is still undecided, as code points. */
interface Candidate {
  readonly key: string;
  readonly points: readonly string[];
}

/**
 * The variables whose key matches a pattern of `select` (none at all means all) and none of `filter` or the fixed list.
 * "*" and "?" are wildcards. Keeps the order of `all`.
 * @throws the reason of `signal`, and nothing else.
 */
export async function selectEnvironment(
  all: ReadonlyMap<string, string>,
  filter: ReadonlySet<string>,
  select: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const keys = [...all.keys()].filter((key) => key.length <= keyLengthMax && !neverSelected.has(key));
  const slices = new Slices(signal);
  const wanted = select.size === 0 ? new Set(keys) : await matchingKeys(keys, select, slices);
  const excluded = await matchingKeys([...wanted], filter, slices);
  return new Map([...all].filter(([key]) => wanted.has(key) && !excluded.has(key)));
}

/** Those of `keys` that match any of `patterns`. */
async function matchingKeys(keys: readonly string[], patterns: ReadonlySet<string>, slices: Slices): Promise<Set<string>> {
  const matched = new Set<string>();
  let undecided: Candidate[] = [];
  for (const key of keys) {
    if (patterns.has(key)) matched.add(key);
    else undecided.push({ key, points: [...key] });
  }
  for (const pattern of patterns) {
    if (undecided.length === 0) break;
    if (slices.spend(1)) await slices.rest();
    // Plain text was looked up above.
    if (pattern.length > patternLengthMax || !isWildcard(pattern)) continue;
    const wildcard = new Wildcard(pattern);
    if (slices.spend(pattern.length)) await slices.rest();
    const rest: Candidate[] = [];
    for (const candidate of undecided) {
      const { isMatch, steps } = wildcard.match(candidate.points);
      if (isMatch) matched.add(candidate.key);
      else rest.push(candidate);
      if (slices.spend(steps)) await slices.rest();
    }
    undecided = rest;
  }
  return matched;
}

/** Counts steps. */
class Slices {
  readonly #signal: AbortSignal | undefined;
  #left = stepsPerTurn;
  #turns = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** True when a turn's worth is used up: the event loop has to go on before the next step. */
  spend(steps: number): boolean {
    this.#left -= steps;
    if (this.#left > 0) return false;
    this.#left = stepsPerTurn;
    return true;
  }

  /** Lets the event loop go on. @throws the signal's reason. */
  async rest(): Promise<void> {
    await (++this.#turns < promptTurns ? nextTurn() : sleep(restMs));
    this.#signal?.throwIfAborted();
  }
}
