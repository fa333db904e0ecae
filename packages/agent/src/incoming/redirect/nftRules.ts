// The text of the redirect rules, in the language of nft(8). It runs nothing.
//
// One `inet` table serves IPv4 and IPv6. The kernel deletes it when the process that made it ends (`flags owner`, Linux 5.12), however
// that ends. A port is an element of a set, so any number of them changes in one transaction, which the kernel does or refuses whole.

import { isIPv4 } from "node:net";
import type { FamilyPlan } from "./meshPlan.ts";
import { type OwnTraffic, passMark } from "./ownTraffic.ts";
import { type Family, families, familyNames } from "./xtables.ts";

/** Ports of the two listeners; null where the namespace lacks that family. */
export interface ListenerPorts {
  readonly ipv4: number | null;
  readonly ipv6: number | null;
}

export interface TableOptions {
  readonly table: string;
  readonly listeners: ListenerPorts;
  /** What is the agent's own, and never redirected. */
  readonly own: OwnTraffic;
  readonly plans: Readonly<Record<Family, FamilyPlan>>;
}

// Of several nat chains the first that translates a connection wins. The classic ones, of iptables, have -100. What comes after
// them leaves a service mesh what it took.
const priorityOwn = -105;
const priorityBeforeMesh = -104;
const priorityAfterMesh = -95;

/**
 * Commands that make the table, its chains and an empty set of ports. Fails as a whole when the table exists.
 *
 * Chains:
 * - `own`: what the agent itself sends inside the pod is "translated" to where it is going anyway, so that no later chain, of another
 *   agent for instance, brings it back. Only over `lo`: connections that leave the pod still belong to a mesh's rules.
 * - `prerouting`: connections from outside.
 * - `output`: connections made inside the pod to one of its own addresses.
 * - `output_first`: the same, where it must come before a mesh.
 */
export function tableCommands({ table, listeners, own, plans }: TableOptions): string[] {
  const sets = [`add set inet ${table} ports { type inet_service; }`];
  const rules: string[] = [];
  for (const family of families) {
    const { nft: ip } = familyNames[family];
    const listener = listeners[family];
    const plan = plans[family];
    const podIps = own.podIps.filter((address) => isIPv4(address) === (family === "ipv4"));
    if (podIps.length > 0) sets.push(`add set inet ${table} pod_${family} { type ${family}_addr; elements = { ${podIps.join(", ")} }; }`);
    for (const match of ownMatches(family, own.group, podIps.length > 0)) rules.push(`own ${match} dnat ${ip} to ${ip} daddr`);
    if (listener === null) continue;
    // Only what begins a connection: in a namespace that tracked none before, the next packet of an old one counts as new, too.
    const redirect = `meta nfproto ${family} tcp flags syn / fin,syn,rst,ack tcp dport @ports redirect to :${listener}`;
    if (plan.fromOutside === "everything") rules.push(`prerouting ${redirect}`);
    else if (plan.fromOutside.length > 0) {
      const ranges = plan.fromOutside.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(", ");
      sets.push(`add set inet ${table} skips_sidecar_${family} { type inet_service; flags interval; elements = { ${ranges} }; }`);
      rules.push(`prerouting tcp dport @skips_sidecar_${family} ${redirect}`);
    }
    rules.push(`${plan.isBeforeMesh ? "output_first" : "output"} oif "lo" ${redirect}`);
  }
  return [
    `create table inet ${table} { flags owner; }`,
    ...sets,
    `add chain inet ${table} own { type nat hook output priority ${priorityOwn}; }`,
    `add chain inet ${table} prerouting { type nat hook prerouting priority ${priorityAfterMesh}; }`,
    `add chain inet ${table} output { type nat hook output priority ${priorityAfterMesh}; }`,
    `add chain inet ${table} output_first { type nat hook output priority ${priorityBeforeMesh}; }`,
    ...rules.map((rule) => `add rule inet ${table} ${rule}`),
  ];
}

/** What matches the agent's own connections inside the pod. */
function ownMatches(family: Family, group: number, hasPodIps: boolean): string[] {
  const match = `oif "lo" meta skgid ${group} meta nfproto ${family} meta l4proto tcp`;
  if (!hasPodIps) return [match];
  return [`${match} ${familyNames[family].nft} saddr != @pod_${family}`, `${match} meta mark & ${passMark} == ${passMark}`];
}

/** Commands that put ports into the set or take them out. Taking out one that is not in it fails. */
export function portCommands(table: string, verb: "add" | "delete", ports: readonly number[]): string[] {
  return ports.length === 0 ? [] : [`${verb} element inet ${table} ports { ${ports.join(", ")} }`];
}
