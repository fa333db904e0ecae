// The rights of the calling thread, in Linux's units. Threads and processes that it starts from now on have them from it. Sources: capabilities(7),
// capget(2), linux/capability.h.

import { systemCall } from "./systemCall.ts";

const capget = systemCall("capget", "int capget(void *header, void *data)");
const capset = systemCall("capset", "int capset(void *header, void *data)");
const prctl = systemCall("prctl", "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)");

/** Numbers of capabilities. */
export const capabilities = {
  NET_ADMIN: 12,
  SYS_MODULE: 16,
  SYS_RAWIO: 17,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_BOOT: 22,
  SYS_TIME: 25,
  MAC_OVERRIDE: 32,
  MAC_ADMIN: 33,
  SYSLOG: 34,
  PERFMON: 38,
  BPF: 39,
  CHECKPOINT_RESTORE: 40,
} as const;

export type Capability = keyof typeof capabilities;

const PR_CAPBSET_DROP = 24;
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
/** Effective, permitted and inheritable, of 32 capabilities; there are two of these. */
const setsBytes = 12;

/** Whether the thread has a right now. */
export function hasCapability(name: Capability): boolean {
  return (readSets().readUInt32LE(offsetOf(name)) & bitOf(name)) !== 0;
}

/**
 * Gives rights up for good, for the thread and for programs that it starts. Those that it does not have are passed over. Without the right to limit
 * programs (SETPCAP), they may get the rights again if they run as root.
 *
 * @throws SystemCallError
 */
export function dropCapabilities(names: readonly Capability[]): void {
  const sets = readSets();
  for (const name of names) {
    prctl.attempt(PR_CAPBSET_DROP, capabilities[name], 0, 0, 0);
    for (let set = 0; set < setsBytes; set += 4) {
      const offset = offsetOf(name) + set;
      sets.writeUInt32LE((sets.readUInt32LE(offset) & ~bitOf(name)) >>> 0, offset);
    }
  }
  capset.sync(header(), sets);
}

function readSets(): Buffer {
  const sets = Buffer.alloc(2 * setsBytes);
  capget.sync(header(), sets);
  return sets;
}

/** Of the calling thread. */
function header(): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(LINUX_CAPABILITY_VERSION_3);
  return bytes;
}

function offsetOf(name: Capability): number {
  return Math.floor(capabilities[name] / 32) * setsBytes;
}

function bitOf(name: Capability): number {
  return (1 << (capabilities[name] % 32)) >>> 0;
}
