// The target of an ephemeral container, which is in the target's pod and shares its namespaces as the pod has it.

import type { Log } from "../log/log.ts";
import { findByControlGroup } from "./controlGroups.ts";

/**
 * The target's process: process 1, unless the target's container id is known, which is only where the pod's processes share a namespace. What cannot be
 * found is taken to be process 1, too, and the admin told.
 */
export function findEphemeralTarget(containerId: string, log: Log): number {
  if (containerId === "") return 1;
  const pid = findByControlGroup(containerId);
  if (pid === null) log.event("TARGET_GUESSED", { containerId, pid: 1 });
  return pid ?? 1;
}
