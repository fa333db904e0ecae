// Rules of other agents on the same target, found at start: of the reference agent, which works with iptables, by the names of its chains, and of this one by
// the names of its tables. They mean that another agent works there, or that one was killed.

import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../log/log.ts";
import { tableRef } from "./chosenRules.ts";
import { chainNames, namesChain, oldChainNames } from "./iptablesText.ts";
import { removeChains } from "./iptablesRules.ts";
import { defaultTableName, natTableName, tableNames } from "./nftTable.ts";
import { listTables } from "./nftTables.ts";
import { closeRouteLocalnet } from "./routeLocalnet.ts";
import { type Backend, type Family, backends, families, familyNames, readRules } from "./xtables.ts";

/** What clients are told, in the reference's words: they show it to their users as it is. */
export const leftoverRulesText =
  "Detected dirty iptables. Either some other mirrord agent is running or the previous agent failed to clean up before exit. " +
  "If no other mirrord agent is targeting this pod, please delete the pod. To allow concurrent sessions, consider using the operator " +
  "available in mirrord for Teams: https://app.metalbear.com/?utm_source=dirtyiptables&utm_medium=agent";

export interface LeftoverRulesOptions {
  /** Id of the target's container; may be empty. */
  readonly containerId: string;
  /** Remove what is found. */
  readonly cleans: boolean;
  readonly log: Log;
}

/** The tables of an agent that was just killed go within milliseconds; only what stays for this long is another's. */
const tableTries = 5;
const tableRestMs = 60;

const loggedMaxChars = 2000;

/**
 * Looks for rules of others, removes them if asked to, and tells the admin. Never rejects: what cannot be read counts as nothing.
 *
 * @returns whether the agent must not work here.
 */
export async function hasLeftoverRules({ containerId, cleans, log }: LeftoverRulesOptions): Promise<boolean> {
  const chains = chainsOf(containerId);
  const tables = await ownTables(log);
  const found = await findChains(chains, tables.all, log);
  if (tables.own.length === 0) await restoreSetting(found, log);
  const rules = [...tables.own, ...found.flatMap(({ lines }) => lines.filter((line) => namesChain(line, chains)))];
  if (rules.length === 0) return false;
  const text = rules.join("\n").slice(0, loggedMaxChars);
  if (!cleans) {
    log.event("LEFTOVER_RULES", { rules: text });
    return true;
  }
  // A table of ours is there as long as its agent lives, and cannot be removed. What is asked for later will be refused.
  if (tables.own.length > 0) log.event("LEFTOVER_RULES", { rules: tables.own.join("\n") });
  return !(await clean(containerId, found, log, text));
}

/** Removes what an agent left that worked with iptables on this target and was killed. */
export async function cleanUpAfterAgent(containerId: string, log: Log): Promise<boolean> {
  const found = await findChains(chainsOf(containerId), null, log);
  const lines = found.flatMap((part) => part.lines);
  return lines.length === 0 || (await clean(containerId, found, log, lines.join("\n").slice(0, loggedMaxChars)));
}

function chainsOf(containerId: string): readonly string[] {
  return [chainNames(containerId), oldChainNames].flatMap((names) => Object.values(names) as string[]);
}

/** Rules of one set of iptables. */
interface Found {
  readonly family: Family;
  readonly backend: Backend;
  readonly lines: readonly string[];
}

async function findChains(chains: readonly string[], tables: ReadonlySet<string> | null, log: Log): Promise<readonly Found[]> {
  const isWanted = (line: string): boolean => namesChain(line, chains) || line.includes(`mirrord-localnet-ref-${tableRef} `);
  const reading = families.flatMap((family) =>
    backends.map(async (backend) => {
      // Without the table there is nothing to list.
      if (backend === "nft" && tables !== null && !tables.has(`${familyNames[family].nft} nat`)) return [];
      try {
        const lines = await readRules(family, backend, ["nat"], isWanted);
        return lines.length === 0 ? [] : [{ family, backend, lines }];
      } catch (error) {
        log.debug("rules could not be read to find those of other agents", { family, backend, error: String(error) });
        return [];
      }
    }),
  );
  return (await Promise.all(reading)).flat();
}

/** All nftables tables as "family name", and those of an agent like this. */
async function ownTables(log: Log): Promise<{ readonly all: ReadonlySet<string>; readonly own: readonly string[] }> {
  const names = new Set([...tableNames(defaultTableName), natTableName(defaultTableName)].map((name) => `inet ${name}`));
  for (let tries = 1; ; tries += 1) {
    let all: ReadonlySet<string>;
    try {
      all = await listTables();
    } catch (error) {
      // The kernel has no nf_tables, or the agent no rights; then it will not redirect either.
      log.debug("tables could not be listed to find those of other agents", { error: String(error) });
      return { all: new Set(), own: [] };
    }
    const own = [...all].filter((table) => names.has(table));
    if (own.length === 0 || tries === tableTries) return { all, own: own.map((table) => `table ${table}`) };
    await sleep(tableRestMs);
  }
}

/** An agent with a table that was killed leaves one thing behind. */
async function restoreSetting(found: readonly Found[], log: Log): Promise<void> {
  for (const { family, backend, lines } of found) {
    if (family !== "ipv4" || !lines.some((line) => line.includes(`mirrord-localnet-ref-${tableRef} `))) continue;
    try {
      if (await closeRouteLocalnet(backend, tableRef)) log.event("LEFTOVER_RULES_REMOVED", { rules: "route_localnet" });
    } catch (error) {
      log.event("REDIRECT_RULES_STAY", { error: String(error) });
    }
  }
}

/** Returns whether nothing is left. */
async function clean(containerId: string, found: readonly Found[], log: Log, text: string): Promise<boolean> {
  for (const { family, backend } of found) {
    try {
      await removeChains(family, backend, chainsOf(containerId));
      if (family === "ipv4") await closeRouteLocalnet(backend, chainNames(containerId).prerouting);
    } catch (error) {
      log.event("REDIRECT_RULES_STAY", { error: String(error) });
    }
  }
  // What counts is what is there: perhaps somebody else has removed it at the same time.
  const left = await findChains(chainsOf(containerId), null, log);
  const isClean = left.every(({ lines }) => !lines.some((line) => namesChain(line, chainsOf(containerId))));
  if (isClean) log.event("LEFTOVER_RULES_REMOVED", { rules: text });
  return isClean;
}
