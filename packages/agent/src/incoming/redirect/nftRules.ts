// The text of the redirect rules, in the language of nft(8). It runs nothing.
//
// One `inet` table serves IPv4 and IPv6. The kernel deletes it when the process that made it ends (`flags owner`, Linux 5.12), however
// that ends. A port is an element of a set, so any number of them changes in one transaction, which the kernel does or refuses whole.

/** Ports of the two listeners; null where the namespace lacks that family. */
export interface ListenerPorts {
  readonly ipv4: number | null;
  readonly ipv6: number | null;
}

export interface TableOptions {
  readonly table: string;
  readonly listeners: ListenerPorts;
  /** Group id of the agent: what this group sends is never redirected. */
  readonly ownGroup: number;
}

// Just before and just after the classic nat chains (-100). Of several nat chains the first that translates a connection wins: a
// service mesh keeps what it took, and what comes before it is only there to protect the agent's own connections.
const priorityBeforeNat = -105;
const priorityAfterNat = -95;

/**
 * Commands that make the table, its chains and an empty set of ports. Fails as a whole when the table exists.
 *
 * Chains:
 * - `early`: what the agent itself sends inside the pod is "translated" to where it is going anyway, so that no later chain, of another
 *   agent for instance, brings it back. Only over `lo`: connections that leave the pod still belong to a mesh's rules.
 * - `prerouting`: connections from outside.
 * - `output`: connections made inside the pod to one of its own addresses, but for the agent's own.
 */
export function tableCommands({ table, listeners, ownGroup }: TableOptions): string[] {
  const rules: string[] = [];
  for (const family of ["ipv4", "ipv6"] as const) {
    const listener = listeners[family];
    const ip = family === "ipv4" ? "ip" : "ip6";
    rules.push(`early oif "lo" meta skgid ${ownGroup} meta nfproto ${family} meta l4proto tcp dnat ${ip} to ${ip} daddr`);
    if (listener === null) continue;
    // Only what begins a connection: in a namespace that tracked none before, the next packet of an old one counts as new, too.
    const redirect = `meta nfproto ${family} tcp flags syn / fin,syn,rst,ack tcp dport @ports redirect to :${listener}`;
    rules.push(`prerouting ${redirect}`, `output oif "lo" meta skgid != ${ownGroup} ${redirect}`);
  }
  return [
    `create table inet ${table} { flags owner; }`,
    `add set inet ${table} ports { type inet_service; }`,
    `add chain inet ${table} early { type nat hook output priority ${priorityBeforeNat}; }`,
    `add chain inet ${table} prerouting { type nat hook prerouting priority ${priorityAfterNat}; }`,
    `add chain inet ${table} output { type nat hook output priority ${priorityAfterNat}; }`,
    ...rules.map((rule) => `add rule inet ${table} ${rule}`),
  ];
}

/** Commands that put ports into the set or take them out. Taking out one that is not in it fails. */
export function portCommands(table: string, verb: "add" | "delete", ports: readonly number[]): string[] {
  return ports.length === 0 ? [] : [`${verb} element inet ${table} ports { ${ports.join(", ")} }`];
}
