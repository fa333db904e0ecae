// Decides how traffic is redirected in this namespace, when the first port is asked for: by an nftables table with an owner where the kernel has that,
// else by chains of iptables. Before that it looks for a service mesh, whose traffic is taken in other places, and prepares an ambient one.

import { chainNames } from "./iptablesText.ts";
import { type IptablesFamily, IptablesRules } from "./iptablesRules.ts";
import type { Launcher } from "./launcher.ts";
import { type DetectedPlan, type DetectedPlans, detectMesh } from "./meshDetection.ts";
import { NftTable, type NftTableOptions, defaultTableName } from "./nftTable.ts";
import { RedirectError } from "./redirectError.ts";
import type { RedirectRules } from "./redirectRules.ts";
import { openRouteLocalnet } from "./routeLocalnet.ts";
import { type Backend, type Family, changeRules, families } from "./xtables.ts";

/** How to redirect: as is possible, or in one way only. */
export type RedirectWay = "auto" | "table" | "iptables";

export interface ChosenRulesOptions extends Omit<NftTableOptions, "plans"> {
  readonly way: RedirectWay;
  /** Which backend of iptables, where iptables is used; null finds out. False: iptables with its legacy backend in any case. */
  readonly nftables: boolean | null;
  readonly istioCni: boolean;
  /** Id of the target's container, part of the names of chains; may be empty. */
  readonly containerId: string;
  /** Who removes iptables rules when the agent is killed; null for nobody. */
  readonly launcher: Launcher | null;
}

/** See the file's head. A choice that failed is made anew by the next `add`. */
export class ChosenRules implements RedirectRules {
  readonly #options: ChosenRulesOptions;
  #chosen: Promise<Chosen> | null = null;
  #rules: RedirectRules | null = null;
  #isClosed = false;

  constructor(options: ChosenRulesOptions) {
    this.#options = options;
  }

  /** Process id of the `nft` child; undefined while there is none. */
  get nftPid(): number | undefined {
    return this.#rules instanceof NftTable ? this.#rules.pid : undefined;
  }

  async start(): Promise<void> {
    await this.#choice();
  }

  async add(port: number): Promise<void> {
    const { rules } = await this.#choice();
    await rules.add(port);
  }

  async remove(port: number): Promise<void> {
    await this.#rules?.remove(port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const chosen = await this.#chosen?.catch(() => null);
    await chosen?.owned[Symbol.asyncDispose]();
  }

  async #choice(): Promise<Chosen> {
    if (this.#isClosed) throw new RedirectError("closed", "redirecting has ended");
    this.#chosen ??= choose(this.#options).then(
      (chosen) => {
        this.#rules = chosen.rules;
        return chosen;
      },
      (error: unknown) => {
        this.#chosen = null;
        if (error instanceof RedirectError) throw error;
        throw new RedirectError("unavailable", `traffic cannot be redirected: ${String(error)}`, { cause: error });
      },
    );
    return this.#chosen;
  }
}

interface Chosen {
  readonly rules: RedirectRules;
  /** The rules, and what they need. */
  readonly owned: AsyncDisposable;
}

async function choose(options: ChosenRulesOptions): Promise<Chosen> {
  const { log, way, nftables, istioCni, containerId, launcher } = options;
  const plans = await detectMesh({ istioCni, log });
  await using owned = new AsyncDisposableStack();
  const isAmbient = plans.ipv4.mesh === "ambient";
  let why = "the agent's settings ask for it";
  if (mayOwnTable(way, nftables)) {
    await using needed = new AsyncDisposableStack();
    if (isAmbient && plans.ipv4.backend !== null) needed.use(await openRouteLocalnet(plans.ipv4.backend, tableRef));
    const table = needed.use(new NftTable({ ...options, plans }));
    try {
      await table.start();
      owned.use(needed.move());
      return { rules: table, owned: owned.move() };
    } catch (error) {
      if (way === "table" || !(error instanceof RedirectError) || error.problem === "taken" || error.problem === "closed") throw error;
      why = error.message;
    }
  }
  const names = chainNames(containerId);
  launcher?.rulesFollow();
  const rules = new IptablesRules({ log, families: await iptablesFamilies(options, plans, names) });
  owned.defer(() => rules[Symbol.asyncDispose]());
  if (isAmbient && plans.ipv4.backend !== null) owned.use(await openRouteLocalnet(plans.ipv4.backend, names.prerouting));
  try {
    await rules.start();
  } catch (error) {
    throw new RedirectError(
      "unavailable",
      `${error instanceof Error ? error.message : String(error)} (not without iptables either: ${why})`,
      {
        cause: error,
      },
    );
  }
  log.event(launcher === null ? "REDIRECT_WITHOUT_GUARD" : "REDIRECT_WITH_IPTABLES", { why });
  return { rules, owned: owned.move() };
}

/** By which an agent with a table is noted where agents of one pod share a setting. There is only one such agent in a pod. */
export const tableRef = defaultTableName;

async function iptablesFamilies(
  { listeners, own, nftables }: ChosenRulesOptions,
  plans: DetectedPlans,
  names: ReturnType<typeof chainNames>,
): Promise<readonly IptablesFamily[]> {
  const chosen = await Promise.all(
    families.map(async (family) => {
      const listener = listeners[family];
      if (listener === null) return [];
      const plan = plans[family];
      const backend = await chooseBackend(family, plan, nftables);
      return [{ family, backend, listener, plan, names, own, hasOutput: true }];
    }),
  );
  return chosen.flat();
}

/** Whether an nftables table with an owner is wanted, or at least not forbidden. `nftables`: as in the options. */
export function mayOwnTable(way: RedirectWay, nftables: boolean | null): boolean {
  return way === "table" || (way === "auto" && nftables !== false);
}

/** The backend of iptables that was asked for; else the one that a mesh uses; else legacy if the kernel has it. */
export async function chooseBackend(family: Family, { backend }: DetectedPlan, nftables: boolean | null): Promise<Backend> {
  if (nftables !== null) return nftables ? "nft" : "legacy";
  if (backend !== null) return backend;
  // A rule that matches nothing and is gone again in the same batch.
  const nothing = "INPUT -p 255 -j RETURN";
  return await changeRules(family, "legacy", [`-A ${nothing}`, `-D ${nothing}`]).then(
    () => "legacy",
    () => "nft",
  );
}
