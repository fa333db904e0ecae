// Notices when the event loop stands still: one timer that measures how late it is. That costs nothing between two
// ticks, and misses only delays much shorter than the one worth reporting.

import type { Log } from "../log/log.ts";

/** What to watch and whom to tell. */
export interface EventLoopDelayOptions {
  readonly log: Log;
  /** Gets the longest delay of each report interval, in seconds. */
  readonly delaySeconds: { set(n: number): void };
  /** Counts delays of at least `stallMs`. */
  readonly stalls: { add(n?: number): void };
  /** Time between two samples in milliseconds. Default 250. */
  readonly sampleMs?: number;
  /** A delay from here on is reported to the admin, in milliseconds. Default 1000. */
  readonly stallMs?: number;
  /** Interval over which the longest delay is kept, in milliseconds. Default 15,000, a usual time between scrapes. */
  readonly reportMs?: number;
  /** Monotonic milliseconds; for tests. */
  readonly nowMs?: () => number;
}

/** Watches until disposed. Does not keep the process alive. */
export function watchEventLoopDelay(options: EventLoopDelayOptions): Disposable {
  const { log, delaySeconds, stalls } = options;
  const sampleMs = options.sampleMs ?? 250;
  const stallMs = options.stallMs ?? 1000;
  const reportMs = options.reportMs ?? 15_000;
  const now = options.nowMs ?? (() => performance.now());
  let previousMs = now();
  let reportedMs = previousMs;
  let longestMs = 0;
  const timer = setInterval(() => {
    const currentMs = now();
    const delayMs = Math.max(0, currentMs - previousMs - sampleMs);
    previousMs = currentMs;
    // A longer delay shows at once; it is forgotten when the interval after it has passed.
    if (currentMs - reportedMs >= reportMs) {
      reportedMs = currentMs;
      longestMs = 0;
    }
    longestMs = Math.max(longestMs, delayMs);
    delaySeconds.set(longestMs / 1000);
    if (delayMs >= stallMs) {
      stalls.add();
      log.event("EVENT_LOOP_STALLED", { delayMs: Math.round(delayMs) });
    }
  }, sampleMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
