// Keeps an agent busy for a while and counts. What ran before the measured time does not count; processor time is the agent's, of all its processes.

import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../statistics.ts";
import type { Figure, Measurement } from "./work.ts";

/** Counts what a load has done. */
export class Meter {
  operations = 0;
  latenciesMs: number[] = [];

  /** @param operations how many at once; for bulk, bytes. */
  done(operations: number, latencyMs?: number): void {
    this.operations += operations;
    if (latencyMs !== undefined) this.latenciesMs.push(latencyMs);
  }

  forget(): void {
    this.operations = 0;
    this.latenciesMs = [];
  }
}

/** What happened in the measured time. */
export interface Reading {
  readonly operations: number;
  readonly seconds: number;
  readonly processorMs: number;
  readonly latenciesMs: readonly number[];
}

/** Runs `load` until its signal aborts. Rejects when the load fails, or when nothing was done. */
export async function measureLoad(
  on: Pick<Measurement, "tree" | "seconds" | "warmUpSeconds">,
  load: (meter: Meter, signal: AbortSignal) => Promise<unknown>,
): Promise<Reading> {
  const meter = new Meter();
  const over = new AbortController();
  const running = load(meter, over.signal);
  // Its failure ends the measurement at once; its end comes when it was told to.
  const failed = running.then(() => new Promise<never>(() => undefined));
  const reading = takeReading(on, meter).finally(() => over.abort());
  const result = await Promise.race([reading, failed]);
  await running;
  if (result.operations === 0) throw new Error("nothing was done in the measured time");
  return result;
}

async function takeReading(
  { tree, seconds, warmUpSeconds }: Pick<Measurement, "tree" | "seconds" | "warmUpSeconds">,
  meter: Meter,
): Promise<Reading> {
  await sleep(warmUpSeconds * 1000);
  const processorBeganMs = await tree.processorMs();
  const beganMs = performance.now();
  meter.forget();
  await sleep(seconds * 1000);
  const { operations, latenciesMs } = meter;
  const took = (performance.now() - beganMs) / 1000;
  return { operations, latenciesMs, seconds: took, processorMs: (await tree.processorMs()) - processorBeganMs };
}

/** Does one operation after another in each of several loops. `operation` resolves to how much it did; nothing said is one. */
export async function inLoops(
  meter: Meter,
  signal: AbortSignal,
  loops: number,
  operation: (loop: number) => Promise<number | void>,
): Promise<void> {
  const loop = async (index: number): Promise<void> => {
    while (!signal.aborted) {
      const began = performance.now();
      const count = (await operation(index)) ?? 1;
      meter.done(count, performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)));
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

export function rate(what: string, { operations, seconds }: Reading): Figure {
  return { what, unit: "per s", better: "higher", value: operations / seconds };
}

/** Operations are bytes. */
export function throughput(what: string, { operations, seconds }: Reading): Figure {
  return { what, unit: "MB/s", better: "higher", value: operations / seconds / 1e6 };
}

/** The agent's processor time for one operation. */
export function cost(what: string, { operations, processorMs }: Reading): Figure {
  return { what, unit: "µs", better: "lower", value: (processorMs * 1000) / operations };
}

/** The agent's processor time for a megabyte. Operations are bytes. */
export function costOfBytes({ operations, processorMs }: Reading): Figure {
  return { what: "processor time of one MB", unit: "µs", better: "lower", value: (processorMs * 1000) / (operations / 1e6) };
}

export function latency(part: number, { latenciesMs }: Pick<Reading, "latenciesMs">): Figure {
  return { what: `p${part * 100}`, unit: "µs", better: "lower", value: percentile(latenciesMs, part) * 1000 };
}

/** What most works of small operations report. */
export function usualFigures(what: string, reading: Reading): readonly Figure[] {
  return [rate(what, reading), latency(0.5, reading), latency(0.99, reading), cost("processor time of one", reading)];
}
