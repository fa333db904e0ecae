// What a cost curve is: a number that grows, and what one unit of it costs the agent at each size. Flat is linear.

import type { AgentProcess, ProcessTree } from "@understudy/test";
import type { Session } from "@understudy/client";

export interface CurveWorld {
  readonly agent: AgentProcess;
  readonly tree: ProcessTree;
  readonly folder: string;
  readonly session: () => Promise<Session>;
}

export interface Curve {
  readonly name: string;
  /** What is counted. */
  readonly unit: string;
  readonly points: readonly number[];
  /** Makes the agent deal with `size`, `repeats` times or so; returns for how many units all in all it had to work. */
  work(world: CurveWorld, size: number): Promise<number>;
}

export interface CurvePoint {
  readonly size: number;
  /** The agent's processor time for one unit, in microseconds. */
  readonly costUs: number;
  /** Resident memory above that of an idle agent, in MiB. */
  readonly memoryMiB: number;
}

/** How fast cost grows between two points: 0 where a unit costs the same, 1 where it costs twice for twice as many. */
export function steepness(from: CurvePoint, to: CurvePoint): number {
  return Math.log(to.costUs / from.costUs) / Math.log(to.size / from.size);
}
