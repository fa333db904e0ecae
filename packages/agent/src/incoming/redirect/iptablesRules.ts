// The redirect rules as chains of iptables, where the kernel has no nftables tables with an owner. Changes that are asked for together go in one
// batch, which the kernel does or refuses whole; batches run one after another, in other processes.
//
// Nothing removes these rules when the agent is killed: that is for whoever started it (see bin/mirrord-agent), or for the next agent.

import type { Log } from "../../log/log.ts";
import { type FamilyRules, mountChanges, namesChain, portChanges, removalChanges } from "./iptablesText.ts";
import { RedirectError } from "./redirectError.ts";
import type { RedirectRules } from "./redirectRules.ts";
import { type Backend, type Family, changeRules, readRules } from "./xtables.ts";

/** Rules of one family, and which program makes them. */
export interface IptablesFamily extends FamilyRules {
  readonly backend: Backend;
}

export interface IptablesOptions {
  /** The families that the namespace has, with `hasOutput` as wanted. */
  readonly families: readonly IptablesFamily[];
  readonly log: Log;
}

interface Request {
  readonly port: number;
  readonly isWanted: boolean;
  readonly resolve: () => void;
  readonly reject: (error: RedirectError) => void;
}

/** Requests of one batch; the time of a batch grows faster than their number. */
const requestsPerBatch = 1024;

/** See the file's head. Chains are made with the first port and removed with the last. */
export class IptablesRules implements RedirectRules {
  readonly #options: IptablesOptions;
  /** What could be mounted; null while nothing is. */
  #mounted: readonly IptablesFamily[] | null = null;
  readonly #loaded = new Set<number>();
  #requests: Request[] = [];
  #work: Promise<void> | null = null;
  #isClosed = false;
  /** Chains could not be removed when they were not needed any more. */
  #hasStrayChains = false;

  constructor(options: IptablesOptions) {
    this.#options = options;
  }

  /** Makes the chains once, to find out whether that is possible; they stay for the first port. */
  async start(): Promise<void> {
    await this.#mount();
  }

  add(port: number): Promise<void> {
    return this.#request(port, true);
  }

  remove(port: number): Promise<void> {
    return this.#request(port, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { reject } of this.#requests.splice(0)) reject(new RedirectError("closed", "redirecting has ended"));
    await this.#work;
    await this.#unmount();
  }

  #request(port: number, isWanted: boolean): Promise<void> {
    if (this.#isClosed) return Promise.reject(new RedirectError("closed", "redirecting has ended"));
    const done = new Promise<void>((resolve, reject) => this.#requests.push({ port, isWanted, resolve, reject }));
    this.#work ??= this.#workOff();
    return done;
  }

  /** Every turn empties the list of requests by some, and waits for a program or for the event loop. Never rejects. */
  async #workOff(): Promise<void> {
    // What else is asked for in this turn of the event loop comes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#requests.length > 0) {
      const batch = this.#requests.splice(0, requestsPerBatch);
      const failure = await this.#try(batch);
      if (failure === null) for (const { resolve } of batch) resolve();
      else if (batch.length === 1) batch[0]?.reject(failure);
      else await this.#oneByOne(batch);
    }
    this.#work = null;
  }

  /** A batch that was refused is repeated in single steps, so that only the port at fault fails. */
  async #oneByOne(batch: readonly Request[]): Promise<void> {
    for (const request of batch) {
      const failure = await this.#try([request]);
      if (failure === null) request.resolve();
      else request.reject(failure);
    }
  }

  async #try(batch: readonly Request[]): Promise<RedirectError | null> {
    try {
      await this.#apply(new Map(batch.map(({ port, isWanted }) => [port, isWanted])));
      return null;
    } catch (error) {
      if (error instanceof RedirectError) return error;
      return new RedirectError("refused", `the kernel or iptables refused redirect rules: ${String(error)}`, { cause: error });
    }
  }

  async #apply(wishes: ReadonlyMap<number, boolean>): Promise<void> {
    const changed = [...wishes].filter(([port, isWanted]) => isWanted !== this.#loaded.has(port));
    if (changed.length === 0) return;
    const families = await this.#mount();
    const done: IptablesFamily[] = [];
    const changes = (family: IptablesFamily, isUndo: boolean): string[] =>
      changed.flatMap(([port, isWanted]) => portChanges(family, isWanted !== isUndo ? "-A" : "-D", port));
    try {
      for (const family of families) {
        const text = changes(family, false);
        if (text.length > 0) await changeRules(family.family, family.backend, text);
        done.push(family);
      }
    } catch (error) {
      // Both families or none. That the first can be undone is likely; if not, the error that began it says more.
      for (const family of done) await changeRules(family.family, family.backend, changes(family, true)).catch(() => undefined);
      throw error;
    }
    for (const [port, isWanted] of changed) this.#loaded[isWanted ? "add" : "delete"](port);
    if (this.#loaded.size === 0) await this.#unmount();
  }

  async #mount(): Promise<readonly IptablesFamily[]> {
    if (this.#mounted !== null) return this.#mounted;
    if (this.#hasStrayChains) for (const family of this.#options.families) await removeOwnChains(family);
    this.#hasStrayChains = false;
    const mounted: IptablesFamily[] = [];
    const failures: string[] = [];
    for (const family of this.#options.families) {
      const [result, failure] = await mount(family);
      if (result !== null) mounted.push(result);
      if (failure === null) continue;
      failures.push(failure);
      this.#options.log.event(result === null ? "REDIRECT_FAMILY_LEFT_OUT" : "REDIRECT_OUTPUT_LEFT_OUT", {
        family: family.family,
        error: failure,
      });
    }
    if (mounted.length === 0) throw new RedirectError("unavailable", `redirect rules cannot be made with iptables: ${failures.join("; ")}`);
    this.#mounted = mounted;
    return mounted;
  }

  /** Never rejects: what stays is for the admin to know, and is removed before chains are made anew. */
  async #unmount(): Promise<void> {
    const families = this.#mounted ?? [];
    this.#mounted = null;
    this.#loaded.clear();
    const outcomes = await Promise.allSettled(families.map(removeOwnChains));
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    this.#hasStrayChains = failure !== undefined;
    if (failure !== undefined) this.#options.log.event("REDIRECT_RULES_STAY", { error: String(failure.reason) });
  }
}

async function removeOwnChains({ family, backend, names }: IptablesFamily): Promise<void> {
  await removeChains(family, backend, [names.prerouting, names.outputMesh, names.outputStandard]);
}

/** Mounts a family, without what is inside the pod where the kernel cannot tell groups apart. Returns what went wrong beside what was mounted. */
async function mount(family: IptablesFamily): Promise<[IptablesFamily | null, string | null]> {
  let failure: string | null = null;
  for (const tried of family.hasOutput ? [family, { ...family, hasOutput: false }] : [family]) {
    try {
      await changeRules(tried.family, tried.backend, mountChanges(tried));
      return [tried, failure];
    } catch (error) {
      failure ??= String(error);
    }
  }
  return [null, failure];
}

/**
 * Removes chains by their names, whoever made them, and what leads into them. Returns the rules that were there.
 *
 * @throws XtablesError
 */
export async function removeChains(family: Family, backend: Backend, chains: readonly string[]): Promise<string[]> {
  const lines = await readRules(family, backend, ["nat"], (line) => namesChain(line, chains));
  const changes = removalChanges(lines, chains);
  if (changes.length > 0) await changeRules(family, backend, changes);
  return lines;
}
