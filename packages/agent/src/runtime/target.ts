// The target: which process it is, where its files are, and what environment it has. Found once, at start.

import { constants } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import type { Log } from "../log/log.ts";

export interface Target {
  /** The target's process, as this process sees it; null without a target. */
  readonly pid: number | null;
  /** Environment that the container's specification gives, before the process's own is laid over it. */
  readonly specifiedEnvironment: ReadonlyMap<string, string>;
}

/** No target: files, names and connections are the agent's own. */
export const targetless: Target = { pid: null, specifiedEnvironment: new Map() };

/**
 * The target of an ephemeral container, which shares the target's namespaces: process 1, unless the target's container id is known and
 * processes are shared, too. The environment of the target's specification has been copied into the agent's own.
 */
export async function findEphemeralTarget(containerId: string, env: NodeJS.ProcessEnv, log: Log): Promise<Target> {
  const specifiedEnvironment = new Map(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  if (containerId === "") return { pid: 1, specifiedEnvironment };
  const pid = await findByControlGroup(containerId);
  if (pid === null) log.event("TARGET_GUESSED", { containerId, pid: 1 });
  return { pid: pid ?? 1, specifiedEnvironment };
}

/** The first process with the container's id in the name of a control group; null when there is none. */
async function findByControlGroup(containerId: string): Promise<number | null> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids.toSorted((a, b) => a - b)) {
    try {
      const groups = await readFile(`/proc/${pid}/cgroup`, "utf8");
      if (groups.includes(containerId)) return pid;
    } catch {
      // The process has ended meanwhile, so it is not the target.
    }
  }
  return null;
}

/** A descriptor of the target's root directory, good for looking up paths below it. The caller closes it. */
export async function openRoot(target: Target): Promise<Awaited<ReturnType<typeof open>>> {
  // Without a target the agent's own root. O_PATH is not among Node's constants.
  const O_PATH = 0o10000000;
  return open(target.pid === null ? "/" : `/proc/${target.pid}/root`, O_PATH | constants.O_DIRECTORY);
}

/** The environment of the target's process as it was started; null when it cannot be read. */
export async function readEnviron(target: Target): Promise<Uint8Array> {
  return readFile(`/proc/${target.pid ?? "self"}/environ`);
}
