// What transfers measured, as a table.

import { median, spread } from "../statistics.ts";

export interface Reading {
  readonly mbPerSecond: number;
  /** Of the process under measure. */
  readonly cpuSecondsPerGb: number;
}

/** @param base the way that the others are compared with. */
export function printTable(what: string, readings: ReadonlyMap<string, readonly Reading[]>, base: string): void {
  console.log(`\n| ${what} | MB/s | of ${base} | spread | processor s per GB |\n|---|---:|---:|---:|---:|`);
  const speed = (name: string): number => median((readings.get(name) ?? []).map(({ mbPerSecond }) => mbPerSecond));
  for (const [name, all] of readings) {
    const part = speed(name) / speed(base);
    const cost = median(all.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb));
    const far = Math.round(spread(all.map(({ mbPerSecond }) => mbPerSecond)) * 100);
    console.log(`| ${name} | ${Math.round(speed(name))} | ${part.toFixed(2)} | ±${far} % | ${cost.toFixed(2)} |`);
  }
}
