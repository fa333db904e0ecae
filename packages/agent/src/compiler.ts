// How V8 compiles what is called often. It waits for 3,000 calls before it optimises a function in full, for the sake of pages that call much once and little often. An agent's work is a few
// hundred functions, called for every message as long as it runs: what they cost until then is what its first clients notice. Sources: `node --v8-options`, and
// docs/decisions/027-compiling-early.md for what was measured.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setPriority } from "node:os";
import { pid } from "node:process";

/** Of V8: each is one flag. */
const flags = [
  // The compiler between the quick one and the full one makes code that the full one replaces soon after, in as much memory again.
  "--no-maglev",
  "--invocation-count-for-turbofan=300",
  // Calls without news about the types that a function meets, before it counts as known.
  "--minimum-invocations-after-ic-update=100",
  // The threads that compile also help the collector of the young generation, which would wait for them now that they have a lower priority.
  "--no-parallel-scavenge",
];

/** Of the threads that compile, as in `nice`: a third of the weight of the one that serves. With less they starve where every processor is busy. */
const NICENESS = 5;

/**
 * Compiles early, in one step, and at a lower priority than everything else. For all of the process, from now on. To be called when there is somebody to serve: what is called often during
 * the start is seldom called afterwards.
 */
export async function tuneCompiler(): Promise<void> {
  // 2 ms to load, which the start does not wait for.
  const { setFlagsFromString } = await import("node:v8");
  for (const flag of flags) setFlagsFromString(flag);
  try {
    for (const thread of threadsOf("V8Worker")) setPriority(thread, NICENESS);
  } catch {
    // No procfs, or a system that forbids it: then they compete with everything else, as they do in other programs.
  }
}

/** Ids of this process's threads of that name; none where procfs shows the processes of another namespace, with ids of its own. */
function threadsOf(name: string): number[] {
  // Nothing waits in procfs, while the first use of the pool takes 5 MiB, which an agent that only waits does not need.
  /* oxlint-disable node/no-sync */
  if (Number(readlinkSync("/proc/self")) !== pid) return [];
  const ids = readdirSync("/proc/self/task").map(Number);
  return ids.filter((id) => readFileSync(`/proc/self/task/${id}/comm`, "latin1").trim() === name);
  /* oxlint-enable node/no-sync */
}
