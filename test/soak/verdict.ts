// Judges a soak: what the agent holds at the end, beside what it held when it was warm and had nothing to do.

import type { RestingState } from "./agentState.ts";

export interface Limits {
  /** Growth of memory at rest, in MiB. */
  readonly memoryMiB: number;
  /** More wake-ups a second than before. */
  readonly wakeUps: number;
}

export const longRunLimits: Limits = { memoryMiB: 5, wakeUps: 20 };

export interface SoakFacts {
  /** Null for an agent that ended. */
  readonly warm: RestingState | null;
  readonly end: RestingState | null;
  /** What scenarios did not like. */
  readonly failures: readonly string[];
  /** Log lines above info, other than of clients that sent what is no message. */
  readonly complaints: readonly string[];
}

/** What is wrong, each in one line; empty when nothing is. */
export function problems({ warm, end, failures, complaints }: SoakFacts, limits: Limits): string[] {
  const found = [
    ...failures.map((failure) => `a scenario failed: ${failure}`),
    ...complaints.map((line) => `the agent complained: ${line}`),
  ];
  if (warm === null || end === null) return [...found, "the agent ended"];
  for (const figure of ["residentMiB", "proportionalMiB"] as const) {
    const grown = end[figure] - warm[figure];
    if (grown > limits.memoryMiB)
      found.push(`${figure} grew by ${grown.toFixed(1)} MiB, from ${warm[figure].toFixed(1)}; the limit is ${limits.memoryMiB}`);
  }
  if (end.descriptors.length > warm.descriptors.length) {
    found.push(
      `${end.descriptors.length - warm.descriptors.length} descriptors were left open; new: ${newOf(warm.descriptors, end.descriptors)}`,
    );
  }
  if (end.threads > warm.threads) found.push(`${end.threads - warm.threads} threads were left behind`);
  if (end.wakeUps > warm.wakeUps + limits.wakeUps) {
    found.push(
      `an idle agent wakes up ${end.wakeUps.toFixed(1)} times a second instead of ${warm.wakeUps.toFixed(1)}: a timer was left behind`,
    );
  }
  if (end.ports.length > 0) found.push(`ports are still redirected: ${end.ports.join(", ")}`);
  const added = (before: readonly string[], after: readonly string[]): readonly string[] => (after.length > before.length ? after : []);
  for (const rule of added(warm.rules, end.rules)) found.push(`there are more redirect rules than before: ${rule}`);
  for (const child of added(warm.children, end.children)) found.push(`there are more children than before: ${child}`);
  for (const [gauge, value] of Object.entries(end.gauges)) found.push(`a gauge did not go back to 0: ${gauge} is ${value}`);
  return found;
}

/** What is in `after` more often than in `before`, with how much more often. */
function newOf(before: readonly string[], after: readonly string[]): string {
  const count = (files: readonly string[], name: string): number => files.filter((file) => file === name).length;
  const more = [...new Set(after)].map((name) => ({ name, times: count(after, name) - count(before, name) }));
  return more
    .filter(({ times }) => times > 0)
    .map(({ name, times }) => `${times} ${name}`)
    .join(", ");
}
