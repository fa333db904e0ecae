// The table of redirect rules of one agent: which ports are in it, and that it stays there. It owns the `nft` child that owns the table.
// It does not accept connections and does not know who wants a port.
//
// Changes of one turn of the event loop, and those that come while a transaction is under way, go together in the next transaction.

import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../log/log.ts";
import { NftGoneError, type NftProcess, startNft } from "./nftProcess.ts";
import { type TableOptions, portCommands, tableCommands } from "./nftRules.ts";
import { keepNat } from "./natKeeper.ts";
import { RedirectError } from "./redirectError.ts";
import type { RedirectRules } from "./redirectRules.ts";

/** The table's name, also by which agents on one target notice each other. */
export const defaultTableName = "understudy";

/** Names that the tables of one agent have in turn: a new table is there before the one it replaces goes. */
export function tableNames(table: string): readonly [string, string] {
  return [table, `${table}_next`];
}

/** Name of the table that keeps translation alive. */
export function natTableName(table: string): string {
  return `${table}_nat`;
}

export interface NftTableOptions extends Omit<TableOptions, "table"> {
  readonly log: Log;
  /** Told after the rules were lost, with every port, and could not be loaded again. The table is empty then. */
  readonly onLost: (error: RedirectError) => void;
  /** Counts how often the table was loaded again. */
  readonly reloads?: { add(n?: number): void };
  /**
   * nft remembers every line it was given and grows by about four times their size. After this many bytes (default 1 MiB, some 10,000
   * ports added and removed) it is replaced.
   */
  readonly writtenMaxBytes?: number;
  /** Default {@link defaultTableName}. */
  readonly table?: string;
  /** Path of `nft`; default: the usual places. */
  readonly nftPath?: string;
}

/** Rests before the tries to load the table again: the whole of it happens within a second. */
const reloadRestsMs = [1, 50, 100, 200, 400];

/** A child that lived this long did not fail because of what we did: the tries are counted anew. */
const steadyMs = 10_000;

/** The time for a transaction grows with the square of its elements: 1,000 take 12 ms, 60,000 take 18 s. */
const portsPerTransaction = 4096;

const writtenMaxBytes = 1024 * 1024;

interface Request {
  /** The life of the rules it belongs to; they begin a new one after they were lost for good. */
  readonly life: number;
  readonly resolve: () => void;
  readonly reject: (error: RedirectError) => void;
}

/** See the file's head. The child is started with the first port, or before by `start`; an empty table stays. */
export class NftTable implements RedirectRules {
  readonly #options: NftTableOptions;
  readonly #names: readonly [string, string];
  /** The table that is loaded, or will be. */
  #table: string;
  /** Ports that belong into the kernel's set, and those that are in it. */
  readonly #wanted = new Set<number>();
  readonly #loaded = new Set<number>();
  /** Ports on which the two may differ. */
  #touched = new Set<number>();
  #requests: Request[] = [];
  #life = 0;
  #process: NftProcess | undefined;
  /** Number of tries since the rules were lost; undefined while they are not. */
  #reloadTry: number | undefined;
  #lastTry = 0;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #work: Promise<void> | undefined;
  /** Load the table although no port is wanted. */
  #mustLoad = false;
  /** Keeps connections in progress translated while there is no table. Null: that was not possible. */
  #natKeeper: Disposable | null | undefined;
  readonly #closing = new AbortController();

  constructor(options: NftTableOptions) {
    this.#options = options;
    this.#names = tableNames(options.table ?? defaultTableName);
    this.#table = this.#names[0];
  }

  /** Process id of the `nft` child; undefined while there is none. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(): Promise<void> {
    this.#mustLoad = true;
    await this.#request();
  }

  async add(port: number): Promise<void> {
    this.#wanted.add(port);
    this.#touched.add(port);
    await this.#request();
  }

  async remove(port: number): Promise<void> {
    this.#wanted.delete(port);
    this.#touched.add(port);
    await this.#request();
  }

  /** Removes all rules and ends the child. Requests under way are rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#process?.[Symbol.asyncDispose]();
    await this.#work;
    // One that was being started meanwhile.
    await this.#process?.[Symbol.asyncDispose]();
    this.#process = undefined;
    this.#natKeeper?.[Symbol.dispose]();
    this.#natKeeper = null;
    this.#rejectAll(new RedirectError("closed", "redirecting has ended"));
  }

  #request(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(new RedirectError("closed", "redirecting has ended"));
    const done = new Promise<void>((resolve, reject) => this.#requests.push({ life: this.#life, resolve, reject }));
    this.#startWork();
    return done;
  }

  #startWork(): void {
    // The check phase of this turn: what else was asked for in it comes along.
    this.#work ??= new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
      await this.#workOff();
      this.#work = undefined;
      if (this.#hasWork) this.#startWork();
    });
  }

  get #hasWork(): boolean {
    return !this.#closing.signal.aborted && (this.#requests.length > 0 || this.#reloadTry !== undefined);
  }

  /** Every turn waits for the child or for a timer, or empties the list of requests. Never rejects. */
  async #workOff(): Promise<void> {
    while (this.#hasWork) {
      if (this.#reloadTry !== undefined) await this.#restBeforeReload(this.#reloadTry);
      const requests = this.#requests;
      this.#requests = [];
      const touched = this.#touched;
      this.#touched = new Set();
      try {
        await this.#apply(touched);
        this.#reloaded();
        for (const request of requests) request.resolve();
      } catch (error) {
        this.#failed(error, requests, touched);
      }
    }
  }

  async #apply(touched: ReadonlySet<number>): Promise<void> {
    if (this.#process === undefined) {
      if (this.#wanted.size > 0 || this.#mustLoad) this.#process = await this.#load(this.#table);
      this.#mustLoad = false;
      return;
    }
    if (this.#process.writtenBytes > (this.#options.writtenMaxBytes ?? writtenMaxBytes)) {
      if (await this.#replace(this.#process)) return;
      if (this.#process === undefined) throw new NftGoneError("nft ended while it was to be replaced");
    }
    const added = [...touched].filter((port) => this.#wanted.has(port) && !this.#loaded.has(port));
    const removed = [...touched].filter((port) => !this.#wanted.has(port) && this.#loaded.has(port));
    await this.#transact(this.#process, [], added, removed);
  }

  /** Makes a second table before the first goes, so that no connection misses both. When that fails the first stays, and false is returned. */
  async #replace(before: NftProcess): Promise<boolean> {
    const [first, second] = this.#names;
    const table = this.#table === first ? second : first;
    const loaded = [...this.#loaded];
    try {
      this.#process = await this.#load(table);
    } catch (error) {
      this.#options.log.debug("nft could not be replaced", { error: String(error) });
      if (this.#process === before) for (const port of loaded) this.#loaded.add(port);
      return false;
    }
    this.#table = table;
    // Should the first have died meanwhile, that is mended by this.
    this.#reloadTry = undefined;
    await before[Symbol.asyncDispose]();
    return true;
  }

  /** Starts a child and gives it the whole table. */
  async #load(table: string): Promise<NftProcess> {
    let process: NftProcess | undefined;
    const path = this.#options.nftPath;
    await this.#keepNat();
    this.#loaded.clear();
    try {
      process = await startNft({
        ...(path !== undefined && { path }),
        onGone: () => {
          // Before the table is loaded, whoever loads it sees the failure himself.
          if (process !== undefined && this.#process === process) this.#lost();
        },
      });
      if (this.#natKeeper === null) await this.#refuseOthers(process);
      const { listeners, own, plans } = this.#options;
      await this.#transact(process, tableCommands({ table, listeners, own, plans }), [...this.#wanted], [], table);
    } catch (error) {
      this.#loaded.clear();
      const cause = process === undefined ? error : await this.#explain(error, process, table);
      await process?.[Symbol.asyncDispose]();
      if (cause instanceof RedirectError && cause.problem === "taken") throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new RedirectError("unavailable", `the redirect rules cannot be loaded: ${why}`, { cause });
    }
    this.#loadedAt = performance.now();
    return process;
  }

  /** The chain that keeps translation alive belongs to one agent in the namespace, for all its life, whichever of its tables is loaded. */
  async #keepNat(): Promise<void> {
    if (this.#natKeeper != null) return;
    try {
      this.#natKeeper = await keepNat(natTableName(this.#names[0]));
    } catch (error) {
      // Without it nothing is lost but connections in progress, should the child be killed. Perhaps it is another agent's.
      this.#natKeeper = null;
      this.#options.log.debug("translation cannot be kept for the time without rules", { error: String(error) });
    }
  }

  async #refuseOthers(process: NftProcess): Promise<void> {
    const tables = (await process.run(["list tables inet"])).split("\n");
    const other = [...this.#names, natTableName(this.#names[0])].find((name) => tables.includes(`table inet ${name}`));
    if (other !== undefined) throw takenError(other);
  }

  async #transact(
    process: NftProcess,
    first: readonly string[],
    added: readonly number[],
    removed: readonly number[],
    table: string = this.#table,
  ): Promise<void> {
    let commands = [...first];
    const run = async (changes: readonly (readonly [verb: "add" | "delete", ports: readonly number[]])[]): Promise<void> => {
      const text = [...commands, ...changes.flatMap(([verb, part]) => portCommands(table, verb, part))];
      if (text.length === 0) return;
      const complaint = await process.run(text);
      if (complaint !== "") throw new RedirectError("refused", `the kernel or nft refused redirect rules: ${shortened(complaint)}`);
      commands = [];
      for (const [verb, part] of changes) for (const port of part) this.#loaded[verb](port);
    };
    if (added.length + removed.length <= portsPerTransaction) {
      await run([
        ["add", added],
        ["delete", removed],
      ]);
      return;
    }
    for (const part of parts(added)) await run([["add", part]]);
    for (const part of parts(removed)) await run([["delete", part]]);
  }

  /** A table that exists is refused like missing rights are; the list of tables tells them apart. */
  async #explain(error: unknown, process: NftProcess, table: string): Promise<unknown> {
    if (!(error instanceof RedirectError) || error.problem === "taken") return error;
    try {
      const tables = await process.run(["list tables inet"]);
      if (!tables.split("\n").includes(`table inet ${table}`)) return error;
    } catch {
      // The child has ended; the first error says more.
      return error;
    }
    return takenError(table, error);
  }

  #failed(error: unknown, requests: Request[], touched: ReadonlySet<number>): void {
    if (this.#closing.signal.aborted) {
      this.#requests.unshift(...requests);
      return;
    }
    if (error instanceof NftGoneError) {
      // The child died in the middle. The table is loaded again with all that is wanted now, if that is still tried.
      this.#requests.unshift(...requests.filter(({ life }) => life === this.#life));
      for (const { life, reject } of requests) {
        if (life !== this.#life)
          reject(new RedirectError("lost", "the redirect rules were lost and cannot be loaded again", { cause: error }));
      }
      return;
    }
    const problem = error instanceof RedirectError ? error : new RedirectError("unavailable", "redirecting failed", { cause: error });
    if (this.#reloadTry !== undefined) {
      this.#requests.unshift(...requests);
      this.#reloadTry += 1;
      this.#lastTry = this.#reloadTry;
      if (this.#reloadTry >= reloadRestsMs.length) this.#giveUp(problem);
      return;
    }
    for (const port of touched) {
      // What was not added is not wanted any more; what was not removed is tried again along with the next change.
      if (!this.#loaded.has(port)) this.#wanted.delete(port);
      else if (!this.#wanted.has(port)) this.#touched.add(port);
    }
    for (const request of requests) request.reject(problem);
  }

  /** The child of a loaded table has ended by itself. */
  #lost(): void {
    this.#forgetProcess();
    if (this.#closing.signal.aborted || this.#wanted.size === 0) return;
    const wasSteady = performance.now() - this.#loadedAt > steadyMs;
    this.#reloadTry = wasSteady ? 0 : this.#lastTry;
    if (this.#reloadTry >= reloadRestsMs.length) this.#giveUp(new RedirectError("lost", "nft ended again and again"));
    else this.#startWork();
  }

  #forgetProcess(): void {
    this.#process = undefined;
    this.#loaded.clear();
  }

  async #restBeforeReload(tries: number): Promise<void> {
    await sleep(reloadRestsMs[tries], undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }

  #reloaded(): void {
    if (this.#reloadTry === undefined) return;
    this.#lastTry = this.#reloadTry + 1;
    this.#reloadTry = undefined;
    // Nothing was wanted any more.
    if (this.#process === undefined) return;
    this.#options.reloads?.add(1);
    this.#options.log.event("REDIRECT_RULES_RELOADED", { ports: this.#loaded.size });
  }

  #giveUp(cause: RedirectError): void {
    const ports = this.#wanted.size;
    this.#reloadTry = undefined;
    this.#lastTry = 0;
    this.#life += 1;
    this.#wanted.clear();
    this.#touched.clear();
    const error = new RedirectError("lost", "the redirect rules were lost and cannot be loaded again", { cause });
    this.#rejectAll(error);
    this.#options.log.event("REDIRECT_RULES_LOST", { ports, error: cause.message });
    this.#options.onLost(error);
  }

  #rejectAll(error: RedirectError): void {
    for (const request of this.#requests.splice(0)) request.reject(error);
  }
}

function takenError(table: string, cause?: unknown): RedirectError {
  return new RedirectError("taken", `another agent redirects traffic of this target: table ${table} exists`, { cause });
}

function parts(ports: readonly number[]): number[][] {
  const count = Math.ceil(ports.length / portsPerTransaction);
  return Array.from({ length: count }, (_, index) => ports.slice(index * portsPerTransaction, (index + 1) * portsPerTransaction));
}

/** A complaint repeats the command, which may name thousands of ports. */
function shortened(complaint: string): string {
  const line = complaint.replaceAll(/\s+/g, " ");
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
