// Notices when the event loop stands still: one timer that measures how late it is. That costs nothing between two ticks, and misses only delays much shorter
// than the one worth reporting. A pause in which the agent's thread used the processor for long is the agent's own doing, and the admin is told what ran; one in which
// it did not is its surroundings': the CPU limit, a machine that is too busy, or a stop from outside. Then the admin hears of the limit alone.

import type { Log } from "../log/log.ts";
import type { CpuLimit } from "./cpuLimit.ts";
import type { CurrentWork } from "./currentWork.ts";

/** What to watch and whom to tell. */
export interface EventLoopDelayOptions {
  readonly log: Log;
  /** What the loop is busy with. */
  readonly work: CurrentWork;
  /** How long the CPU limit has kept the agent from running. It was looked at before. */
  readonly cpuLimit: CpuLimit;
  /** Gets the longest delay of each report interval, in seconds. */
  readonly delaySeconds: { set(n: number): void };
  /** Gets every sample, in seconds. */
  readonly delays: { observe(seconds: number): void };
  /** Counts delays of at least `stallMs`. */
  readonly stalls: { with(cause: "own_work" | "not_running"): { add(n?: number): void } };
  /** A delay from here on is reported, in milliseconds. */
  readonly stallMs: number;
  /** Interval over which the longest delay is kept, in milliseconds. Default 15,000, a usual time between scrapes. */
  readonly reportMs?: number;
}

/** Time between two samples in milliseconds, at most. */
const SAMPLE_MAX_MS = 250;
/** The part of a pause that explains it. */
const MOST = 0.5;

/** Watches until disposed. Does not keep the process alive. */
export function watchEventLoopDelay(options: EventLoopDelayOptions): Disposable {
  const { log, work, cpuLimit, delaySeconds, delays, stalls, stallMs, reportMs = 15_000 } = options;
  const sampleMs = Math.min(SAMPLE_MAX_MS, stallMs / 2);
  let previousMs = performance.now();
  let previousCpuMs = threadCpuMs();
  let reportedMs = previousMs;
  let longestMs = 0;

  const stalled = (delayMs: number, cpuMs: number): void => {
    const longest = work.takeLongest();
    const fields = { delayMs: Math.round(delayMs), cpuMs: Math.round(cpuMs) };
    if (cpuMs >= Math.min(stallMs, delayMs * MOST)) {
      stalls.with("own_work").add();
      const what = longest.ms < delayMs * MOST ? "many things" : longest.what;
      log.event("EVENT_LOOP_STALLED", { ...fields, work: what === "" ? "something unnamed" : what });
      return;
    }
    stalls.with("not_running").add();
    void cpuLimit.look().then((throttledMs) => {
      if (throttledMs >= delayMs * MOST) log.event("CPU_LIMIT_REACHED", { ...fields, throttledMs: Math.round(throttledMs) });
      else log.debug("the agent was not running for a while", fields);
    });
  };

  const timer = setInterval(() => {
    const currentMs = performance.now();
    const cpuMs = threadCpuMs();
    const delayMs = Math.max(0, currentMs - previousMs - sampleMs);
    // A longer delay shows at once; it is forgotten when the interval after it has passed.
    if (currentMs - reportedMs >= reportMs) {
      reportedMs = currentMs;
      longestMs = 0;
      void cpuLimit.look();
    }
    longestMs = Math.max(longestMs, delayMs);
    delaySeconds.set(longestMs / 1000);
    delays.observe(delayMs / 1000);
    if (delayMs >= stallMs) stalled(delayMs, cpuMs - previousCpuMs);
    else work.takeLongest();
    previousMs = currentMs;
    previousCpuMs = cpuMs;
  }, sampleMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** What the calling thread, which is the event loop's, has used of the processor. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
