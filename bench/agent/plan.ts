// In which order works are measured.

import { type BenchOptions, isChosen } from "./options.ts";

/** Which of the two agents. */
export type Side = "understudy" | "other";

export interface PlannedRun {
  readonly work: string;
  readonly side: Side;
  /** From 1. */
  readonly round: number;
}

/** Work by work. The sides take turns, so that a machine that grows slower slows both. */
export function planRuns(
  names: readonly string[],
  { against, rounds, only }: Pick<BenchOptions, "against" | "rounds" | "only">,
): PlannedRun[] {
  const sides: readonly Side[] = against === null ? ["understudy"] : ["other", "understudy"];
  const chosen = names.filter((name) => only.length === 0 || only.some((asked) => isChosen(name, asked)));
  return chosen.flatMap((work) =>
    Array.from({ length: rounds }, (_, index) => sides.map((side) => ({ work, side, round: index + 1 }))).flat(),
  );
}
