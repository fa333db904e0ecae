// How long the CPU limit of the agent's container has kept it from running, by the kernel's account of its control group. Source: cpu.stat in the kernel's
// documentation of control groups, version 1 and 2.

import { readFile } from "node:fs/promises";

/** Where a container finds its own control group; the unit of its time in ms. */
const places = [
  { path: "/sys/fs/cgroup/cpu.stat", entry: "throttled_usec", unitMs: 1e-3 },
  { path: "/sys/fs/cgroup/cpu/cpu.stat", entry: "throttled_time", unitMs: 1e-6 },
  { path: "/sys/fs/cgroup/cpu,cpuacct/cpu.stat", entry: "throttled_time", unitMs: 1e-6 },
] as const;

export interface CpuLimit {
  /** Resolves to how long the limit kept the agent from running since the last look, in ms; 0 at the first, and where the kernel does not say. */
  look(): Promise<number>;
}

/** @param folder root of the paths, for tests. */
export function watchCpuLimit(folder = ""): CpuLimit {
  let lastMs: number | null = null;
  return {
    async look() {
      const nowMs = await throttledMs(folder);
      const sinceMs = lastMs === null ? 0 : Math.max(0, nowMs - lastMs);
      lastMs = nowMs;
      return sinceMs;
    },
  };
}

async function throttledMs(folder: string): Promise<number> {
  for (const { path, entry, unitMs } of places) {
    try {
      const value = new RegExp(`^${entry} (\\d+)$`, "m").exec(await readFile(`${folder}${path}`, "utf8"))?.[1];
      if (value !== undefined) return Number(value) * unitMs;
    } catch {
      // Not here; perhaps in the next place.
    }
  }
  return 0;
}
