// One client's jq program in its child: requests in, verdicts out, in order. Ends a child that overruns a limit and lets the program rest
// then. The child is started again when a request comes after the rest.
//
// A request is answered within about a second, whatever the program does: its own deadline runs once it is the first one, and none waits
// longer than its turn may take. The first one is the only one that can be to blame, for jq takes them one by one; and only when it computes:
// a child that waits for a processor, in a pod that has used up its share, is let be.

import type { Log } from "../../../../log/log.ts";
import type { Metrics } from "../../../../metrics/metrics.ts";
import { FilterError } from "../filterError.ts";
import { ComputeShare, Cooldown } from "./cooldown.ts";
import { type ChildEnd, JqChild } from "./jqChild.ts";
import type { JqProgram } from "./jqEngine.ts";
import { requestLines } from "./jqSource.ts";
import type { JqTools } from "./jqTools.ts";

export interface ResidentProgramOptions {
  readonly tools: JqTools;
  readonly slot: number;
  /** One that was checked. */
  readonly program: string;
  /** Of the request that is first now. */
  readonly deadlineMs: () => number;
  /** Share of one processor that this program may use in the long run. */
  readonly share: () => number;
  /** Told how long an overrun computed. */
  readonly onOverrun: (ms: number) => void;
  readonly onProblem: (text: string) => void;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly now: () => number;
}

interface Request {
  readonly id: number;
  /** Null once written. */
  lines: string | null;
  readonly size: number;
  readonly arrivedAt: number;
  /** Null for the first line to a new child. */
  readonly isStart: boolean;
  hasMatched: boolean;
  /** What the child had computed when this was first seen to be late. */
  cpuWhenLateMs?: number;
  /** Null when it was answered because it waited for too long; its place in the order stays. */
  settle: ((matches: boolean) => void) | null;
}

/** For the client. */
const problemTexts = {
  time: "the jq filter took too long for a request; it rests for a while, in which no request matches it",
  death: "the jq filter used too much memory, or broke; it rests for a while, in which no request matches it",
  busy: "the jq filter could not judge all requests in time; those that had to wait for too long did not match it",
  share: "the jq filter takes more than its share of the processor; requests beyond that do not match it",
  off: "the jq filter has broken its limits too often: no request matches it any more",
};
type Problem = keyof typeof problemTexts;

/** Longest a request waits, its own time included. */
const patienceMs = 1_000;
/** Loading jq's own definitions takes 20 ms on an idle machine. */
const startMaxMs = 5_000;
/** How much a child may compute beyond a deadline, and how often it is looked at then. */
const lateCpuMs = 30;
const lateLookMs = 20;
/** A child that got no processor for so long is ended, too. */
const hopelessMs = 5_000;
const waitingMax = 256;
const waitingMaxChars = 256 * 1024;
/** Requests in the pipe at once: enough that jq does not wait for us, few enough to forget when it dies. */
const writtenMax = 16;
const idModulus = 1_000_000;

export class ResidentProgram implements JqProgram {
  readonly #options: ResidentProgramOptions;
  readonly #cooldown = new Cooldown();
  readonly #told = new Set<Problem>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #computed: ComputeShare;
  #child: JqChild | null = null;
  /** Resolves when the last child is gone. */
  #childGone: Promise<void> = Promise.resolve();
  #hasStarted = false;
  /** In order; the first `#writtenCount` are with the child. */
  #requests: Request[] = [];
  #writtenCount = 0;
  #waitingChars = 0;
  #headSince = 0;
  #lastId = 0;
  #timer: NodeJS.Timeout | null = null;
  #timerDueAt = 0;
  #isDisposed = false;
  /** What was counted as computing time since it was last compared with what the child computed. */
  #uncheckedMs = 0;
  #checkedCpuMs = 0;

  constructor(options: ResidentProgramOptions) {
    this.#options = options;
    this.#computed = new ComputeShare(options.share, options.now());
  }

  /** Resolves when it was disposed of and its child is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Undefined while no child runs. */
  get childPid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the first child. @throws FilterError when it does not come to life. @throws the signal's reason when it aborts. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const abort = (): void => this[Symbol.dispose]();
    signal.addEventListener("abort", abort, { once: true });
    const isAlive = await this.#startChild();
    signal.removeEventListener("abort", abort);
    signal.throwIfAborted();
    if (!isAlive) throw new FilterError("jq filter: it compiles, but cannot be started within its limits");
    if (this.#child?.canBeKilled !== true) throw new FilterError("jq filters are not available in this agent: it lacks CAP_KILL");
    this.#hasStarted = true;
  }

  matches(texts: readonly string[]): Promise<boolean> {
    if (this.#isDisposed || texts.length === 0) return Promise.resolve(false);
    const now = this.#options.now();
    if (this.#cooldown.isResting(now)) return this.#unjudged();
    const id = this.#nextId();
    const lines = requestLines(id, texts);
    if (this.#requests.length >= waitingMax || this.#waitingChars + lines.length > waitingMaxChars) return this.#unjudged("busy");
    if (this.#computed.isUsedUp(now)) {
      void this.#checkComputed();
      return this.#unjudged("share");
    }
    if (this.#child === null) void this.#startChild();
    if (this.#child === null) return this.#unjudged();
    return new Promise((resolve) => {
      this.#add({ id, lines, size: lines.length, arrivedAt: now, isStart: false, hasMatched: false, settle: resolve });
    });
  }

  /** Ends the child. Requests that wait do not match. */
  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#endChild();
    void this.#childGone.then(() => this.#ended.resolve());
  }

  /** Resolves to whether it came to life. Leaves no child where none could be made. */
  #startChild(): Promise<boolean> {
    const child = this.#makeChild();
    if (child === null) return Promise.resolve(false);
    this.#child = child;
    this.#childGone = child.ended;
    this.#uncheckedMs = 0;
    this.#checkedCpuMs = 0;
    return new Promise((resolve) => {
      const id = this.#nextId();
      const lines = requestLines(id, []);
      const arrivedAt = this.#options.now();
      this.#add({ id, lines, size: lines.length, arrivedAt, isStart: true, hasMatched: true, settle: resolve });
    });
  }

  #makeChild(): JqChild | null {
    const { tools, slot, program, metrics } = this.#options;
    try {
      const child: JqChild = new JqChild(tools, slot, program, {
        onLine: (line) => {
          if (this.#child === child) this.#hear(line);
        },
        onGarbage: () => {
          if (this.#child === child) this.#overrun("death");
        },
        onEnd: (end) => {
          metrics.jqProcesses.add(-1);
          if (this.#child === child) this.#childEnded(end);
        },
      });
      metrics.jqProcesses.add(1);
      return child;
    } catch {
      // The system is out of memory or processes: the rest after an overrun is what helps.
      this.#overrun("death");
      return null;
    }
  }

  #nextId(): number {
    this.#lastId = (this.#lastId + 1) % idModulus;
    return this.#lastId;
  }

  #add(request: Request): void {
    if (this.#requests.length === 0) this.#headSince = request.arrivedAt;
    this.#requests.push(request);
    this.#waitingChars += request.size;
    this.#write();
    this.#lookIn(Math.min(this.#limitMs(request), request.isStart ? Infinity : patienceMs));
  }

  #write(): void {
    let lines = "";
    while (this.#writtenCount < writtenMax) {
      const request = this.#requests[this.#writtenCount];
      if (request === undefined) break;
      // One that was answered already is not judged any more, but keeps its place.
      lines += request.settle === null ? requestLines(request.id, []) : request.lines;
      request.lines = null;
      this.#writtenCount++;
    }
    if (lines !== "") this.#child?.write(lines);
  }

  #hear(line: string): void {
    const head = this.#requests[0];
    if (head === undefined || this.#writtenCount === 0) return this.#overrun("death");
    if (line === "true") {
      head.hasMatched = true;
      return;
    }
    if (line !== String(head.id)) return this.#overrun("death");
    this.#requests.shift();
    this.#writtenCount--;
    this.#waitingChars -= head.size;
    const now = this.#options.now();
    if (!head.isStart) {
      this.#computed.spend(now - this.#headSince);
      this.#uncheckedMs += now - this.#headSince;
    }
    this.#headSince = now;
    this.#write();
    if (head.settle === null) this.#tell("busy");
    else head.settle(head.hasMatched);
  }

  /** Gives back what was counted as computing and was waiting, for a processor or for our event loop. */
  async #checkComputed(): Promise<void> {
    const child = this.#child;
    const unchecked = this.#uncheckedMs;
    if (child === null || unchecked === 0) return;
    this.#uncheckedMs = 0;
    const cpuMs = await child.cpuMs();
    if (cpuMs === undefined || this.#child !== child) return;
    const computedMs = cpuMs - this.#checkedCpuMs;
    this.#checkedCpuMs = cpuMs;
    this.#computed.spend(-Math.max(0, unchecked - computedMs));
  }

  #limitMs(request: Request): number {
    return request.isStart ? startMaxMs : this.#options.deadlineMs();
  }

  /** Has `#look` called when that is due, or before: a timer for each request would cost more than the request. */
  #lookIn(ms: number): void {
    const dueAt = this.#options.now() + ms;
    if (this.#timer !== null) {
      if (this.#timerDueAt <= dueAt) return;
      clearTimeout(this.#timer);
    }
    this.#timerDueAt = dueAt;
    this.#timer = setTimeout(() => this.#look(), Math.ceil(ms));
  }

  /** Looks who has waited for too long. Answers that came while the event loop stood still are heard before. */
  #look(): void {
    setImmediate(() => {
      this.#timer = null;
      const head = this.#requests[0];
      if (head === undefined) return;
      const now = this.#options.now();
      const headLeftMs = this.#headSince + this.#limitMs(head) - now;
      const isLate = headLeftMs <= 0;
      if (isLate && (head.isStart || now - this.#headSince > hopelessMs)) return this.#overrun("time");
      const oldest = this.#answerImpatient(now);
      const oldestLeftMs = oldest === undefined ? Infinity : oldest.arrivedAt + patienceMs - now;
      this.#lookIn(Math.min(isLate ? lateLookMs : headLeftMs, oldestLeftMs));
      if (isLate) void this.#blameFor(head);
    });
  }

  /** Ends the child when it computes on a request that is late. Where it only waits for a processor, the program is not to blame. */
  async #blameFor(head: Request): Promise<void> {
    const child = this.#child;
    const cpuMs = await child?.cpuMs();
    if (cpuMs === undefined || this.#child !== child || this.#requests[0] !== head) return;
    head.cpuWhenLateMs ??= cpuMs;
    if (cpuMs - head.cpuWhenLateMs >= lateCpuMs) this.#overrun("time");
  }

  /** Answers requests that waited for too long. Returns the oldest that still can wait. */
  #answerImpatient(now: number): Request | undefined {
    for (const request of this.#requests) {
      if (request.isStart || request.settle === null) continue;
      if (now - request.arrivedAt < patienceMs) return request;
      request.settle(false);
      request.settle = null;
      // Why is told when the first one ends, or is ended.
      void this.#unjudged();
    }
    return undefined;
  }

  #childEnded({ signal }: ChildEnd): void {
    // The limit on the computing time of a whole life is nobody's fault. A first child that does not come to life is told by start().
    if (signal === "SIGXCPU" || !this.#hasStarted) this.#endChild();
    else this.#overrun("death");
  }

  #overrun(problem: "time" | "death"): void {
    const { onOverrun, metrics, log, now } = this.#options;
    const ranMs = this.#requests.length === 0 ? 0 : now() - this.#headSince;
    onOverrun(ranMs);
    metrics.jqOverruns.add();
    const restMs = this.#cooldown.overrun(now());
    log.debug("jq filter overran a limit", { problem, ranMs: Math.round(ranMs), restMs });
    this.#endChild();
    this.#tell(problem);
    if (restMs === Infinity) this.#tell("off");
  }

  /** Kills it where it still runs. What waits does not match. */
  #endChild(): void {
    const child = this.#child;
    const requests = this.#requests;
    this.#child = null;
    this.#requests = [];
    this.#writtenCount = 0;
    this.#waitingChars = 0;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    child?.kill();
    for (const request of requests) {
      if (request.settle !== null && !request.isStart) this.#options.metrics.jqUnjudged.add();
      request.settle?.(false);
    }
  }

  #unjudged(problem?: Problem): Promise<boolean> {
    if (problem !== undefined) this.#tell(problem);
    this.#options.metrics.jqUnjudged.add();
    return Promise.resolve(false);
  }

  #tell(problem: Problem): void {
    if (this.#told.has(problem) || this.#isDisposed || !this.#hasStarted) return;
    this.#told.add(problem);
    this.#options.onProblem(problemTexts[problem]);
  }
}
