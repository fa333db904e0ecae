// The text of the redirect rules in the language of iptables-restore(8), and the names of their chains. It runs nothing.
//
// Names and places are those of the reference agent, so that each finds what the other has left behind. A packet is judged by the chains
// only where the entry rules send it there.

import { isIPv4 } from "node:net";
import { type FamilyPlan, takesFromOutside } from "./meshPlan.ts";
import { type OwnTraffic, passMark } from "./ownTraffic.ts";
import type { Family } from "./xtables.ts";

/** Names of one agent's chains. */
export interface ChainNames {
  readonly prerouting: string;
  /** For connections made inside the pod, with and without a mesh. */
  readonly outputMesh: string;
  readonly outputStandard: string;
  /** Keeps the agent's own port out of the mesh. */
  readonly exclusion: string;
}

/** Part of the container's id that goes into names, which have at most 28 characters. */
const idMaxChars = 20;

/** @param containerId of the target; may be empty. */
export function chainNames(containerId: string): ChainNames {
  const id = containerId.slice(0, idMaxChars);
  return { prerouting: `MRDIN_${id}`, outputMesh: `MRDOUT_${id}`, outputStandard: `MRDSTD_${id}`, exclusion: `MRDMSH_${id}` };
}

/** Names that agents of old gave, whatever their target. */
export const oldChainNames: ChainNames = {
  prerouting: "MIRRORD_INPUT",
  outputMesh: "MIRRORD_OUTPUT",
  outputStandard: "MIRRORD_STANDARD",
  exclusion: "MIRRORD_EXCLUDE_FROM_MESH",
};

export interface FamilyRules {
  readonly family: Family;
  /** Port that connections are redirected to. */
  readonly listener: number;
  readonly plan: FamilyPlan;
  readonly names: ChainNames;
  readonly own: OwnTraffic;
  /** Whether connections made inside the pod are redirected. */
  readonly hasOutput: boolean;
}

function outputChain({ plan, names }: FamilyRules): string {
  return plan.mesh === "none" ? names.outputStandard : names.outputMesh;
}

/** Changes that make the chains and lead packets into them. Fails as a whole when one exists. */
export function mountChanges(rules: FamilyRules): string[] {
  const { family, plan, names, own } = rules;
  const changes = [`-N ${names.prerouting}`, `-A PREROUTING -j ${names.prerouting}`];
  if (!rules.hasOutput) return changes;
  const chain = outputChain(rules);
  const enter = plan.isBeforeMesh ? "-I OUTPUT 1" : "-A OUTPUT";
  const podIps = own.podIps.filter((address) => isIPv4(address) === (family === "ipv4"));
  return [
    ...changes,
    `-N ${chain}`,
    `${enter} -p tcp -m owner ! --gid-owner ${own.group} -j ${chain}`,
    ...podIps.map(
      (address) => `${enter} -s ${address} -p tcp -m owner --gid-owner ${own.group} -m mark ! --mark ${passMark}/${passMark} -j ${chain}`,
    ),
  ];
}

/** Changes that redirect a port or stop it. */
export function portChanges(rules: FamilyRules, verb: "-A" | "-D", port: number): string[] {
  // Only what begins a connection: in a namespace that tracked none before, the next packet of an old one counts as new, too.
  const redirect = `-p tcp -m tcp --dport ${port} --syn -j REDIRECT --to-ports ${rules.listener}`;
  return [
    ...(takesFromOutside(rules.plan, port) ? [`${verb} ${rules.names.prerouting} ${redirect}`] : []),
    ...(rules.hasOutput ? [`${verb} ${outputChain(rules)} -o lo ${redirect}`] : []),
  ];
}

/** Changes that keep a port of the agent out of the mesh. */
export function exclusionChanges(names: ChainNames, port: number): string[] {
  const chain = names.exclusion;
  return [`-N ${chain}`, `-A ${chain} -p tcp -m tcp --dport ${port} -j ACCEPT`, `-I PREROUTING 1 -j ${chain}`];
}

/** Whether a line of `iptables-save` is about one of the chains. */
export function namesChain(line: string, chains: readonly string[]): boolean {
  return chains.some((chain) => line.includes(chain));
}

/**
 * Changes that remove chains and what leads to them.
 *
 * @param lines those of the table `nat` that are about the chains.
 */
export function removalChanges(lines: readonly string[], chains: readonly string[]): string[] {
  const found = lines.flatMap((line) => /^:(\S+) /.exec(line)?.[1] ?? []).filter((chain) => chains.includes(chain));
  const isFound = new Set(found);
  const entries = lines.filter((line) => {
    const [, inside, target] = /^-A (\S+) .*-[jg] (\S+)/.exec(line) ?? [];
    return inside !== undefined && target !== undefined && !isFound.has(inside) && isFound.has(target);
  });
  return [
    ...entries.map((line) => `-D ${line.slice("-A ".length)}`),
    ...found.map((chain) => `-F ${chain}`),
    ...found.map((chain) => `-X ${chain}`),
  ];
}
