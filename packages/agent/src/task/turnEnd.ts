// Runs jobs once at the end of the current turn of the event loop, so that what many callbacks of one turn produce leaves in one go. After a
// rest they run at the end of the current callback: probably it is the only one of its turn, and the next turn would cost everybody who waits a
// system call more. How it was measured: docs/decisions/013-end-of-turn.md.

export type TurnEnd = (job: () => void) => void;

/** Without jobs for so long, the loop is not busy. Longer than most callbacks take, shorter than one round trip of a client. */
const REST_MS = 0.05;

/**
 * Jobs run in the order in which they were given, each once per call. One that throws is told of and keeps no other from running.
 *
 * @param now monotonic milliseconds; for tests.
 */
export function createTurnEnd(onError: (error: unknown) => void, now: () => number = () => performance.now()): TurnEnd {
  // `process.nextTick` calls into JavaScript once more for what a promise does by itself.
  const afterCallback = Promise.resolve();
  let jobs: (() => void)[] = [];
  let isRunning = false;
  let lastRunMs = -Infinity;
  const run = (): void => {
    const due = jobs;
    jobs = [];
    isRunning = true;
    for (const job of due) {
      try {
        job();
      } catch (error) {
        onError(error);
      }
    }
    isRunning = false;
    lastRunMs = now();
  };
  return (job) => {
    if (jobs.length === 0) {
      // A job that gives another one waits for the next turn, or sockets would never have theirs.
      if (!isRunning && now() - lastRunMs > REST_MS) void afterCallback.then(run);
      else setImmediate(run);
    }
    jobs.push(job);
  };
}
