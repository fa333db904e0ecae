// The table of redirect rules of one agent: which ports are in it, and that it stays there. It owns the `nft` child that owns the table.
// It does not accept connections and does not know who wants a port.
//
// Changes of one turn of the event loop, and those that come while a transaction is under way, go together in the next transaction.

import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../log/log.ts";
import { NftGoneError, type NftProcess, startNft } from "./nftProcess.ts";
import { type TableOptions, portCommands, tableCommands } from "./nftRules.ts";
import { RedirectError } from "./redirectError.ts";

/** The table's name, also by which agents on one target notice each other. */
export const defaultTableName = "understudy";

export interface NftTableOptions extends Omit<TableOptions, "table"> {
  readonly log: Log;
  /** Told after the rules were lost, with every port, and could not be loaded again. The table is empty then. */
  readonly onLost: (error: RedirectError) => void;
  /** Counts how often the table was loaded again. */
  readonly reloads?: { add(n?: number): void };
  /**
   * nft remembers every line it was given and grows by about four times their size. After this many bytes (default 1 MiB, some 10,000
   * ports added and removed) it is replaced, for which the rules are away for some milliseconds; new connections go to the target
   * meanwhile.
   */
  readonly writtenMaxBytes?: number;
  /** Default {@link defaultTableName}. */
  readonly table?: string;
  /** Path of `nft`; default: the usual places. */
  readonly nftPath?: string;
}

/** Rests before the tries to load the table again: the whole of it happens within a second. */
const reloadRestsMs = [20, 50, 100, 200, 400];

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

/** See the file's head. The child is started with the first port; an empty table stays. */
export class NftTable implements AsyncDisposable {
  readonly #options: NftTableOptions;
  readonly #table: string;
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
  readonly #closing = new AbortController();

  constructor(options: NftTableOptions) {
    this.#options = options;
    this.#table = options.table ?? defaultTableName;
  }

  /** Process id of the `nft` child; undefined while there is none. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Redirects a port; resolves when the kernel does it.
   *
   * @throws RedirectError when it does not; no other port is concerned.
   */
  async add(port: number): Promise<void> {
    this.#wanted.add(port);
    await this.#changed(port);
  }

  /** Stops redirecting a port; resolves when new connections go to the target. Connections redirected before go on. */
  async remove(port: number): Promise<void> {
    this.#wanted.delete(port);
    await this.#changed(port);
  }

  /** Removes all rules and ends the child. Requests under way are rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#process?.[Symbol.asyncDispose]();
    await this.#work;
    // One that was being started meanwhile.
    await this.#process?.[Symbol.asyncDispose]();
    this.#process = undefined;
    this.#rejectAll(new RedirectError("closed", "redirecting has ended"));
  }

  #changed(port: number): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(new RedirectError("closed", "redirecting has ended"));
    this.#touched.add(port);
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
    if (this.#process !== undefined && this.#process.writtenBytes > (this.#options.writtenMaxBytes ?? writtenMaxBytes)) {
      await this.#replace(this.#process);
      return;
    }
    if (this.#process === undefined) {
      if (this.#wanted.size > 0) await this.#load();
      return;
    }
    const added = [...touched].filter((port) => this.#wanted.has(port) && !this.#loaded.has(port));
    const removed = [...touched].filter((port) => !this.#wanted.has(port) && this.#loaded.has(port));
    await this.#transact(this.#process, [], added, removed);
  }

  async #replace(process: NftProcess): Promise<void> {
    this.#forgetProcess();
    await process[Symbol.asyncDispose]();
    try {
      if (this.#wanted.size > 0) await this.#load();
    } catch (error) {
      // Ports that were redirected before are not any more: from here on as if the child had died by itself.
      this.#reloadTry ??= 0;
      throw error;
    }
  }

  /** Starts a child and gives it the whole table. */
  async #load(): Promise<void> {
    let process: NftProcess | undefined;
    const path = this.#options.nftPath;
    try {
      process = await startNft({
        ...(path !== undefined && { path }),
        onGone: () => {
          // Before the table is loaded, whoever loads it sees the failure himself.
          if (process !== undefined && this.#process === process) this.#lost();
        },
      });
      const { listeners, ownGroup } = this.#options;
      const table = this.#table;
      await this.#transact(process, tableCommands({ table, listeners, ownGroup }), [...this.#wanted], []);
    } catch (error) {
      this.#loaded.clear();
      const cause = process === undefined ? error : await this.#explain(error, process);
      await process?.[Symbol.asyncDispose]();
      if (cause instanceof RedirectError && cause.problem === "taken") throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new RedirectError("unavailable", `the redirect rules cannot be loaded: ${why}`, { cause });
    }
    this.#process = process;
    this.#loadedAt = performance.now();
  }

  async #transact(process: NftProcess, first: readonly string[], added: readonly number[], removed: readonly number[]): Promise<void> {
    let commands = [...first];
    const run = async (changes: readonly (readonly [verb: "add" | "delete", ports: readonly number[]])[]): Promise<void> => {
      const text = [...commands, ...changes.flatMap(([verb, part]) => portCommands(this.#table, verb, part))];
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
  async #explain(error: unknown, process: NftProcess): Promise<unknown> {
    if (!(error instanceof RedirectError)) return error;
    try {
      const tables = await process.run(["list tables inet"]);
      if (!tables.split("\n").includes(`table inet ${this.#table}`)) return error;
    } catch {
      // The child has ended; the first error says more.
      return error;
    }
    return new RedirectError("taken", `another agent redirects traffic of this target: table ${this.#table} exists`, { cause: error });
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

function parts(ports: readonly number[]): number[][] {
  const count = Math.ceil(ports.length / portsPerTransaction);
  return Array.from({ length: count }, (_, index) => ports.slice(index * portsPerTransaction, (index + 1) * portsPerTransaction));
}

/** A complaint repeats the command, which may name thousands of ports. */
function shortened(complaint: string): string {
  const line = complaint.replaceAll(/\s+/g, " ");
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
