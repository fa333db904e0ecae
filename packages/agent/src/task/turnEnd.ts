// Runs jobs once at the end of the current turn of the event loop, so that what many callbacks of one turn produce leaves in one go.

export type TurnEnd = (job: () => void) => void;

/** Jobs run in the order in which they were given, each once per call. One that throws is told of and keeps no other from running. */
export function createTurnEnd(onError: (error: unknown) => void): TurnEnd {
  let jobs: (() => void)[] = [];
  const run = (): void => {
    const due = jobs;
    jobs = [];
    for (const job of due) {
      try {
        job();
      } catch (error) {
        onError(error);
      }
    }
  };
  return (job) => {
    if (jobs.length === 0) setImmediate(run);
    jobs.push(job);
  };
}
