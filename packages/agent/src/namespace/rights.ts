// Which rights the agent has, and which it gives up once it is where it works and holds what it works on. Rights are a thread's: it gives them up on the main thread
// before others that work for it are made, so those, and the programs that it starts, are without them, too.

import { type Capability, dropCapabilities, hasCapability } from "@understudy/native";
import type { Log } from "../log/log.ts";

/** Rights that decide what an agent can do. */
export const decidingRights = ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"] as const satisfies readonly Capability[];
export type Right = (typeof decidingRights)[number];

/**
 * What could harm the node or the target, and nothing here needs from now on: the target's network was entered, its root folder is open. A privileged pod has all of them; otherwise it
 * is the first two at most.
 */
const unneeded: readonly Capability[] = [
  "SYS_ADMIN",
  "SYS_PTRACE",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_BOOT",
  "SYS_TIME",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
];

/** Those of the rights that decide which the calling thread has. */
export function heldRights(): ReadonlySet<Right> {
  return new Set(decidingRights.filter(hasCapability));
}

/** Never throws: an agent with more rights than it needs is still an agent. */
export function giveUpRights(log: Log): void {
  try {
    dropCapabilities(unneeded);
  } catch (error) {
    log.debug("rights could not be given up", { error: String(error) });
  }
}
