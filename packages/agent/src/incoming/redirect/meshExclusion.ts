// Keeps the agent's own port out of a service mesh, whose sidecar would take connections of clients. Made at the agent's start, before any client comes;
// independent of what is redirected.
//
// In a table of its own, a connection to the port is "translated" to where it is going anyway: the first translation of a connection wins. Without such
// tables, a rule in front of the mesh's accepts it.

import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../log/log.ts";
import { retry } from "../../task/repeat.ts";
import { type RedirectWay, chooseBackend, mayOwnTable } from "./chosenRules.ts";
import { chainNames, exclusionChanges } from "./iptablesText.ts";
import { removeChains } from "./iptablesRules.ts";
import type { Launcher } from "./launcher.ts";
import { detectMesh } from "./meshDetection.ts";
import { type NftProcess, startNft } from "./nftProcess.ts";
import { RedirectError } from "./redirectError.ts";
import { changeRules, families } from "./xtables.ts";

export interface MeshExclusionOptions {
  /** The agent's port for clients. */
  readonly port: number;
  readonly way: RedirectWay;
  readonly nftables: boolean | null;
  readonly containerId: string;
  /** Who removes iptables rules when the agent is killed; null for nobody. */
  readonly launcher: Launcher | null;
  readonly log: Log;
}

const table = "understudy_port";
const commands = (port: number): string[] => [
  `create table inet ${table} { flags owner; }`,
  // Before iptables, of either backend.
  `add chain inet ${table} prerouting { type nat hook prerouting priority -105; }`,
  `add rule inet ${table} prerouting meta nfproto ipv4 tcp dport ${port} dnat ip to ip daddr`,
  `add rule inet ${table} prerouting meta nfproto ipv6 tcp dport ${port} dnat ip6 to ip6 daddr`,
];

const restMs = 20;
const restMaxMs = 60_000;

/** Never rejects: a port that cannot be kept out is the admin's to know, and the agent serves whoever reaches it. Disposing takes the rules away. */
export async function excludeFromMesh(options: MeshExclusionOptions): Promise<AsyncDisposable> {
  const { way, nftables, log } = options;
  try {
    if (!mayOwnTable(way, nftables)) return await excludeByIptables(options);
    try {
      return await PortTable.load(options);
    } catch (error) {
      if (way === "table") throw error;
      log.debug("the agent's port is kept out of the mesh by iptables", { error: String(error) });
      return await excludeByIptables(options);
    }
  } catch (error) {
    log.event("MESH_EXCLUSION_FAILED", { port: options.port, error: String(error) });
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}

/** The table with its `nft` child, which is started again when it dies. */
class PortTable implements AsyncDisposable {
  readonly #options: MeshExclusionOptions;
  readonly #closing = new AbortController();
  #process: NftProcess | null = null;
  #restoring: Promise<void> | null = null;

  private constructor(options: MeshExclusionOptions) {
    this.#options = options;
  }

  static async load(options: MeshExclusionOptions): Promise<PortTable> {
    const loaded = new PortTable(options);
    await loaded.#load();
    return loaded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#restoring;
    await this.#process?.[Symbol.asyncDispose]();
  }

  async #load(): Promise<void> {
    let isLoaded = false;
    const process = await startNft({
      onGone: () => {
        if (isLoaded) this.#restoring ??= this.#restore();
      },
    });
    const complaint = await process.run(commands(this.#options.port));
    if (complaint !== "") {
      await process[Symbol.asyncDispose]();
      throw new RedirectError("unavailable", `the kernel or nft refused the table ${table}: ${complaint.slice(0, 300)}`);
    }
    isLoaded = true;
    this.#process = process;
  }

  /** Rests before each try, so it never spins. */
  async #restore(): Promise<void> {
    const { signal } = this.#closing;
    this.#process = null;
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
    await retry(() => this.#load(), {
      signal,
      restMs,
      maxRestMs: restMaxMs,
      onError: (error) => this.#options.log.event("MESH_EXCLUSION_FAILED", { port: this.#options.port, error: String(error) }),
    });
    this.#restoring = null;
  }
}

async function excludeByIptables({ port, containerId, nftables, launcher, log }: MeshExclusionOptions): Promise<AsyncDisposable> {
  const names = chainNames(containerId);
  launcher?.rulesFollow();
  const plans = await detectMesh({ istioCni: false, log });
  await using made = new AsyncDisposableStack();
  for (const family of families) {
    const backend = await chooseBackend(family, plans[family], nftables);
    try {
      await changeRules(family, backend, exclusionChanges(names, port));
      made.defer(async () => void (await removeChains(family, backend, [names.exclusion])));
    } catch (error) {
      log.event("MESH_EXCLUSION_FAILED", { port, family, error: String(error) });
    }
  }
  return made.move();
}
