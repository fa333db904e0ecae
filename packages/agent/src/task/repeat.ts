// Background work that comes back, without ever holding the event loop: settled promises run before any socket is
// looked at, so a loop over `await` alone would starve them all. Here every turn passes through a timer.

import { setTimeout as sleep } from "node:timers/promises";

/** How to repeat. */
export interface RepeatOptions {
  /** Ends the task; also cuts a rest short. */
  readonly signal: AbortSignal;
  /** Rest after a round that succeeded, in milliseconds; less than 10 counts as 10. */
  readonly restMs: number;
  /** Rests double after each failure in a row, up to this. Less than `restMs` counts as `restMs`. */
  readonly maxRestMs: number;
  /** Gets what a round threw. It must not throw. */
  readonly onError: (error: unknown) => void;
}

/** Shortest rest, in milliseconds: at most a hundred rounds a second. */
const leastRestMs = 10;

/**
 * Runs `round` again and again until the signal aborts, then resolves; never rejects. A round that is under way at the
 * abort is waited for, so it should watch the signal that it is given. Does not keep the process alive.
 */
export async function repeat(
  round: (signal: AbortSignal) => Promise<void>,
  { signal, restMs, maxRestMs, onError }: RepeatOptions,
): Promise<void> {
  const shortestMs = Math.max(restMs, leastRestMs);
  const longestMs = Math.max(maxRestMs, shortestMs);
  let nextMs = shortestMs;
  while (!signal.aborted) {
    try {
      await round(signal);
      nextMs = shortestMs;
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      nextMs = Math.min(nextMs * 2, longestMs);
    }
    try {
      await sleep(nextMs, undefined, { signal, ref: false });
    } catch {
      // Only an abort ends a rest early, and the loop's condition sees it.
    }
  }
}

/** As `repeat`, until a round succeeds; the first one is at once. */
export async function retry(round: (signal: AbortSignal) => Promise<void>, options: RepeatOptions): Promise<void> {
  const done = new AbortController();
  const untilDone = async (signal: AbortSignal): Promise<void> => {
    await round(signal);
    done.abort();
  };
  await repeat(untilDone, { ...options, signal: AbortSignal.any([options.signal, done.signal]) });
}
