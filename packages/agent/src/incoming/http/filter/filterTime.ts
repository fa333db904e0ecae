// Puts down how long a filter that is no plain one took to answer. Plain ones are timed all together, where requests are judged.

import type { FilterKind } from "../../../metrics/metrics.ts";

/** Where the time of each kind of filter is put down, in seconds. */
export interface FilterSeconds {
  with(kind: FilterKind): { observe(seconds: number): void };
}

/** Asks, and puts the time down when there is an answer, be that later. What is asked never rejects. */
export function timed(seconds: FilterSeconds, kind: FilterKind, ask: () => boolean | Promise<boolean>): boolean | Promise<boolean> {
  const beganMs = performance.now();
  const answered = (answer: boolean): boolean => {
    seconds.with(kind).observe((performance.now() - beganMs) / 1000);
    return answer;
  };
  const answer = ask();
  return typeof answer === "boolean" ? answered(answer) : answer.then(answered);
}
