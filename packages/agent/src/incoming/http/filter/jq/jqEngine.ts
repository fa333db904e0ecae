// Compiles and runs clients' jq programs as children of this process, within limits for all of them together. One child a program: in
// jq, a program that reads more input than its own would take other programs' requests.
//
// How one program answers is in `residentProgram.ts`, how a child is bounded in `jqTools.ts`.

import type { Log } from "../../../../log/log.ts";
import type { Metrics } from "../../../../metrics/metrics.ts";
import { FilterError } from "../filterError.ts";
import { OverrunBudget } from "./cooldown.ts";
import { type CheckResult, runCheck } from "./jqChild.ts";
import { compileComplaint, programMaxBytes } from "./jqSource.ts";
import { defaultSearchPath, findJqTools, type JqTools } from "./jqTools.ts";
import { ResidentProgram } from "./residentProgram.ts";

export interface JqEngineOptions {
  /** Longest time of one request, over all its texts. Brought between 10 and 1000 ms. */
  readonly timeLimitMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Most programs at once, each with a child. Default 16: 15 MiB when idle. */
  readonly maxPrograms?: number;
  /** Most programs at once with one owner. Default 4. */
  readonly maxProgramsPerOwner?: number;
  /** Where jq and its tools are, in the form of PATH. Default: the usual folders, then PATH. */
  readonly searchPath?: string;
  /** Milliseconds that only grow. Default: of this process. */
  readonly now?: () => number;
}

export interface CompileOptions {
  /** Told once for each cause why requests are not judged; the text is for the client. */
  readonly onProblem: (text: string) => void;
  /** Ends compiling. */
  readonly signal?: AbortSignal | undefined;
  /** Whose program it is, for the limit on programs of one owner. Default: nobody's. */
  readonly owner?: object | undefined;
}

/** A compiled program. Disposing it ends its child; requests that wait do not match. */
export interface JqProgram extends Disposable {
  /**
   * Whether for one of the texts, each given to the program as a string, the first boolean that comes out is true. Never rejects: a request
   * that cannot be judged in time does not match.
   */
  matches(texts: readonly string[]): Promise<boolean>;
}

/** Disposing it ends all programs and waits until their children are gone. */
export interface JqEngine extends AsyncDisposable {
  /**
   * @throws FilterError for the client: the program does not compile, there are too many, or there is no jq.
   * @throws the signal's reason when it aborts.
   */
  compile(program: string, options: CompileOptions): Promise<JqProgram>;
}

export function createJqEngine(options: JqEngineOptions): JqEngine {
  return new ChildEngine(options);
}

const timeLimitMinMs = 10;
const timeLimitMaxMs = 1_000;
const maxProgramsDefault = 16;
const maxProgramsPerOwnerDefault = 4;
/** Share of one processor that all programs together may use in the long run. */
const shareOfAll = 0.4;
const compileMaxMs = 5_000;
const compileErrorCode = 3;

class ChildEngine implements JqEngine {
  readonly #options: JqEngineOptions;
  readonly #ending = new AbortController();
  readonly #budget = new OverrunBudget();
  /** One entry a program, also while it compiles or its child ends; null is free. */
  readonly #slots: (Promise<void> | null)[];
  readonly #programs = new Set<ResidentProgram>();
  readonly #countOf = new WeakMap<object, number>();

  constructor(options: JqEngineOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.maxPrograms ?? maxProgramsDefault }, () => null);
  }

  async compile(program: string, options: CompileOptions): Promise<JqProgram> {
    refuseUnfit(program);
    const slot = this.#takeSlot(options.owner);
    const freed = Promise.withResolvers<void>();
    this.#slots[slot] = freed.promise;
    const free = (): void => {
      this.#slots[slot] = null;
      this.#count(options.owner, -1);
      freed.resolve();
    };
    try {
      return await this.#compileIn(slot, program, options, free);
    } catch (error) {
      free();
      throw error;
    }
  }

  async #compileIn(slot: number, program: string, options: CompileOptions, free: () => void): Promise<JqProgram> {
    const { timeLimitMs, metrics, log, searchPath = defaultSearchPath(), now = () => performance.now() } = this.#options;
    const tools = await findJqTools(searchPath);
    const signal = AbortSignal.any([this.#ending.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    const result = await this.#check(tools, slot, program, signal);
    if (result.exitCode !== 0) throw new FilterError(`jq filter: ${checkFailure(result)}`);
    const resident = new ResidentProgram({
      tools,
      slot,
      program,
      deadlineMs: () => this.#budget.deadlineMs(Math.min(Math.max(timeLimitMs, timeLimitMinMs), timeLimitMaxMs), now()),
      share: () => shareOfAll / Math.max(1, this.#programs.size),
      onOverrun: (ms) => this.#budget.burn(ms, now()),
      onProblem: options.onProblem,
      metrics,
      log,
      now,
    });
    try {
      await resident.start(signal);
    } catch (error) {
      resident[Symbol.dispose]();
      await resident.ended;
      throw error;
    }
    this.#programs.add(resident);
    void resident.ended.then(() => {
      this.#programs.delete(resident);
      free();
    });
    return resident;
  }

  async #check(tools: JqTools, slot: number, program: string, signal: AbortSignal): Promise<CheckResult> {
    const timeout = AbortSignal.timeout(compileMaxMs);
    try {
      return await runCheck(tools, slot, program, AbortSignal.any([signal, timeout]));
    } catch (cause) {
      signal.throwIfAborted();
      const what = timeout.aborted ? `compiling it takes longer than ${compileMaxMs} ms` : "jq cannot be started";
      throw new FilterError(`jq filter: ${what}`, { cause });
    }
  }

  #takeSlot(owner: object | undefined): number {
    this.#ending.signal.throwIfAborted();
    const ofOwnerMax = this.#options.maxProgramsPerOwner ?? maxProgramsPerOwnerDefault;
    if (owner !== undefined && (this.#countOf.get(owner) ?? 0) >= ofOwnerMax) {
      throw new FilterError(`more than ${ofOwnerMax} jq filters of one client`);
    }
    const slot = this.#slots.indexOf(null);
    if (slot === -1) throw new FilterError(`more than ${this.#slots.length} jq filters in this agent`);
    this.#count(owner, 1);
    return slot;
  }

  #count(owner: object | undefined, change: number): void {
    if (owner !== undefined) this.#countOf.set(owner, (this.#countOf.get(owner) ?? 0) + change);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new FilterError("the agent is stopping"));
    for (const program of this.#programs) program[Symbol.dispose]();
    await Promise.all(this.#slots.filter((slot) => slot !== null));
  }
}

function refuseUnfit(program: string): void {
  const bytes = Buffer.byteLength(program);
  if (bytes > programMaxBytes) throw new FilterError(`jq filter of ${bytes} bytes exceeds ${programMaxBytes}`);
  if (program.includes("\0")) throw new FilterError("jq filter: it contains a NUL character");
}

function checkFailure(result: CheckResult): string {
  if (result.exitCode === compileErrorCode) return compileComplaint(result.said);
  if (result.exitCode === null) return "compiling it takes too much time or memory";
  // One of the tools before jq: what is missing is a right of the agent.
  return `jq cannot be started with its limits: ${result.said
    .replaceAll(/[^\x20-\x7e]+/g, " ")
    .slice(0, 200)
    .trim()}`;
}
