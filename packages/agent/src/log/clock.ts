// The time as the log needs it: a wall clock with microseconds, and a timer that never keeps the process alive.
// Passed in wherever it is used, so that tests can turn it by hand.

/** Source of time. */
export interface Clock {
  /** Microseconds since 1970-01-01T00:00:00Z. A safe integer until the year 2255. */
  nowMicros(): number;
  /** Calls `callback` once after `delayMs`; disposing it first prevents that. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Disposable;
}

/** Largest distance between the two clocks of Node before the fine one is set again, in milliseconds. */
const driftMaxMs = 20;

/** The system's time: `Date.now` for the truth, `performance.now` for the digits below a millisecond. */
export function systemClock(): Clock {
  let offsetMs = Date.now() - performance.now();
  return {
    nowMicros() {
      const coarseMs = Date.now();
      const fineMs = offsetMs + performance.now();
      if (Math.abs(fineMs - coarseMs) <= driftMaxMs) return Math.trunc(fineMs * 1000);
      // The system's clock was set; follow it.
      offsetMs = coarseMs - performance.now();
      return coarseMs * 1000;
    },
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs).unref();
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  };
}

/** RFC 3339 in UTC with six digits of a second, such as "2026-01-31T23:59:59.000001Z". */
export function formatTimestamp(micros: number): string {
  const millis = Math.floor(micros / 1000);
  const rest = micros - millis * 1000;
  // toISOString ends in ".mmmZ"
  return `${new Date(millis).toISOString().slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}
