// What all rounds gave, as it is written to JSON.

import { arch, cpus, release } from "node:os";
import { median, spread } from "../statistics.ts";
import type { BenchOptions } from "./options.ts";
import type { PlannedRun, Side } from "./plan.ts";
import type { MeasuringResult } from "./task.ts";
import type { Figure } from "./work.ts";

/** All rounds of one figure on one side. */
export interface FigureRounds {
  readonly values: number[];
  readonly median: number;
  /** Largest distance of a round from the median, as a part of it. */
  readonly spread: number;
}

export interface FigureResult {
  readonly what: string;
  readonly unit: Figure["unit"];
  readonly better: Figure["better"];
  readonly sides: Partial<Record<Side, FigureRounds>>;
}

export interface WorkResult {
  readonly name: string;
  /** Null when it was measured. */
  readonly skipped: string | null;
  readonly failures: readonly { readonly side: Side; readonly round: number; readonly reason: string }[];
  readonly figures: readonly FigureResult[];
}

export interface BenchResult {
  readonly machine: {
    readonly node: string;
    readonly kernel: string;
    readonly processor: string;
    readonly cores: number;
    readonly date: string;
  };
  readonly options: Omit<BenchOptions, "json">;
  readonly works: readonly WorkResult[];
}

/** One work's rounds, in the order in which they were done. */
export function workResult(name: string, done: readonly { readonly run: PlannedRun; readonly result: MeasuringResult }[]): WorkResult {
  const figures = new Map<string, FigureResult>();
  const failures: { side: Side; round: number; reason: string }[] = [];
  for (const { run, result } of done) {
    if (result.kind === "failed") {
      failures.push({ side: run.side, round: run.round, reason: result.reason });
      continue;
    }
    for (const { what, unit, better, value } of result.figures) {
      const before = figures.get(what) ?? { what, unit, better, sides: {} };
      const values = [...(before.sides[run.side]?.values ?? []), value];
      figures.set(what, { ...before, sides: { ...before.sides, [run.side]: { values, median: median(values), spread: spread(values) } } });
    }
  }
  return { name, skipped: null, failures, figures: [...figures.values()] };
}

export function machine(): BenchResult["machine"] {
  const [first] = cpus();
  return {
    node: process.version,
    kernel: release(),
    processor: `${first?.model.trim() ?? "unknown"}, ${arch()}`,
    cores: cpus().length,
    date: new Date().toISOString().slice(0, 10),
  };
}
