// Which rights the agent has, and which it gives up once it is where it works. Rights are a thread's: it gives them up on the main thread before others that
// work for it are made, so those, and the programs that it starts, are without them, too.

import { type Capability, dropCapabilities, hasCapability } from "@understudy/native";
import type { Log } from "../log/log.ts";

/** What could harm the node, and nothing here needs from now on. A privileged pod has all of them; otherwise it is SYS_ADMIN at most. */
const unneeded: readonly Capability[] = [
  "SYS_ADMIN",
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

/** Never throws: an agent with more rights than it needs is still an agent. */
export function giveUpRights(log: Log): void {
  try {
    dropCapabilities(unneeded);
  } catch (error) {
    log.debug("rights could not be given up", { error: String(error) });
  }
}

/** Tells the admin, at the start, that traffic cannot be redirected; clients are told when they ask for it. */
export function checkRedirectRights(log: Log): void {
  if (!hasCapability("NET_ADMIN")) log.event("RIGHT_MISSING", { missing: "NET_ADMIN", effect: "clients can neither steal nor mirror" });
}
