// Names of the target, looked up as the target would: its hosts file, its search list, its servers, from the network
// namespace this process is in. Shared by all sessions; libc's resolver is never used, since it would read the agent's
// own files and block a thread. This file decides in which order what is asked; see `querier.ts` for the asking.

import { isIPv4 } from "node:net";
import { RemoteError, remoteKindError } from "../errors/remoteError.ts";
import type { Log } from "../log/log.ts";
import type { LookupRecord } from "@understudy/protocol";
import { FairQueue, type FairQueueLimits } from "./fairQueue.ts";
import type { Question } from "./message.ts";
import { Deadline } from "./deadline.ts";
import { emptyHostsFile, type HostsEntry, type HostsFile, parseHostsFile } from "./hostsFile.ts";
import { canonicalIp, reverseName, unmappedIp } from "./ipText.ts";
import { lookupFileError, lookupIoError, noRecordsFound, responseCode, systemCode } from "./lookupError.ts";
import { candidateNames, isLocalhostName, parseHostName } from "./names.ts";
import { deadlinePassed, Querier } from "./querier.ts";
import { parseResolvConf, type ResolvConf } from "./resolvConf.ts";
import { TargetFile } from "./targetFile.ts";

/** Which addresses are wanted, as the protocol has it. */
export type LookupFamily = "ipv4Only" | "ipv6Only" | "both" | "any" | "unknownAddressFamilyFromNewerClient";

/** One look-up. `node` may be any text. */
export interface LookupRequest {
  readonly node: string;
  readonly family: LookupFamily;
}

/** What `createResolver` needs. */
export interface ResolverOptions {
  /** Reads the first `maxBytes` bytes of a file of the target. @throws an error with an errno. */
  readonly readTargetFile: (path: string, maxBytes: number) => Promise<Uint8Array>;
  readonly log: Log;
  /** Counts look-ups under way. */
  readonly requestCount: { add(n: number): void };
  /** Wait for one answer, instead of what resolv.conf says. In ms, 1 s to 30 s are sensible. */
  readonly timeoutMs?: number | undefined;
  /** Tries after the first, instead of what resolv.conf says. */
  readonly attempts?: number | undefined;
  /** Time for a whole look-up. Default: 10 s, or the tries of one server if they take longer, at most 60 s. */
  readonly deadlineMs?: number;
  /** Look-ups that ask servers, each by at most two queries at a time. Default 1024 in all, 32 for one session (more answers at once would hold up everybody), 20,000 waiting. */
  readonly lookups?: FairQueueLimits;
  /** Connections to servers. Default 32, 8, 20,000. */
  readonly tcp?: FairQueueLimits;
  /** Answers kept. Default 512. */
  readonly cacheEntries?: number;
  /** Port of the servers. Default 53; for tests. */
  readonly serverPort?: number;
  /** Monotonic milliseconds; for tests. */
  readonly now?: () => number;
}

/** Look-ups for all sessions. Disposing of it closes its sockets; look-ups under way fail. */
export interface Resolver extends Disposable {
  /**
   * Addresses of a name, IPv4 first; at least one. Equal `signal`s count as one owner when many wait for their turn.
   * @throws RemoteError with a `dnsLookup` response; the signal's reason on abort, at once.
   */
  lookup(request: LookupRequest, signal: AbortSignal): Promise<LookupRecord[]>;
  /**
   * The name of an address, without trailing dot.
   * @throws RemoteError of kind `other`; the signal's reason on abort, at once.
   */
  reverse(ip: string, signal: AbortSignal): Promise<string>;
  /** Look-ups that ask servers or wait for their turn, and UDP sockets open. */
  readonly usage: { readonly asking: number; readonly waiting: number; readonly sockets: number };
}

const hostsPath = "/etc/hosts";
const resolvConfPath = "/etc/resolv.conf";
/** What look-ups read of the target. */
export const resolverFiles: readonly string[] = [resolvConfPath, hostsPath];
const hostsBytesMax = 1024 * 1024;
const resolvConfBytesMax = 64 * 1024;
const deadlineLeastMs = 10_000;
const deadlineMostMs = 60_000;
const attemptsMost = 10;

/** Makes the resolver of the target whose files `readTargetFile` reads. Nothing is read before it is needed. */
export function createResolver(options: ResolverOptions): Resolver {
  return new TargetResolver(options);
}

class TargetResolver implements Resolver {
  readonly #options: ResolverOptions;
  readonly #hosts: TargetFile<HostsFile>;
  readonly #resolvConf: TargetFile<ResolvConf>;
  readonly #turns: FairQueue;
  readonly #querier: Querier;

  constructor(options: ResolverOptions) {
    this.#options = options;
    const now = options.now ?? (() => performance.now());
    const unreadable = (path: string, error: unknown): never => {
      options.log.event("RESOLVER_FILE_UNREADABLE", { path, reason: systemCode(error) });
      throw lookupFileError(error);
    };
    this.#hosts = new TargetFile({
      path: hostsPath,
      read: options.readTargetFile,
      maxBytes: hostsBytesMax,
      parse: parseHostsFile,
      // The target does without one as well.
      onFailure: (error) => (systemCode(error) === "ENOENT" ? emptyHostsFile : unreadable(hostsPath, error)),
      now,
    });
    this.#resolvConf = new TargetFile({
      path: resolvConfPath,
      read: options.readTargetFile,
      maxBytes: resolvConfBytesMax,
      parse: (bytes) => this.#override(parseResolvConf(bytes)),
      onFailure: (error) => unreadable(resolvConfPath, error),
      now,
    });
    this.#turns = new FairQueue(options.lookups ?? { limit: 1024, limitPerOwner: 32, maxWaiting: 20_000 });
    this.#querier = new Querier({
      serverPort: options.serverPort ?? 53,
      tcp: options.tcp ?? { limit: 32, limitPerOwner: 8, maxWaiting: 20_000 },
      cacheEntries: options.cacheEntries ?? 512,
      now,
    });
  }

  get usage(): Resolver["usage"] {
    return { asking: this.#turns.held, waiting: this.#turns.waiting, sockets: this.#querier.socketCount };
  }

  async lookup({ node, family }: LookupRequest, signal: AbortSignal): Promise<LookupRecord[]> {
    this.#options.requestCount.add(1);
    try {
      return await this.#lookup(node, family, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = lookupIoError(error);
      this.#options.log.debug("name look-up failed", { reason: failure.message });
      throw failure;
    } finally {
      this.#options.requestCount.add(-1);
    }
  }

  async #lookup(node: string, family: LookupFamily, signal: AbortSignal): Promise<LookupRecord[]> {
    signal.throwIfAborted();
    if (node === "" || node === ".") throw noRecordsFound(responseCode.nameError);
    const literal = canonicalIp(node);
    // An IPv6 literal has no name in its answer; clients of the reference know it so.
    if (literal !== null) return [{ name: isIPv4(literal) ? literal : "", ip: literal }];

    const name = parseHostName(node);
    const hosts = this.#hosts.fresh ?? (await this.#readHosts(signal));
    const known = hostsRecords(hosts, name.text, family);
    if (known.length > 0) return known;
    if (isLocalhostName(name.text)) return loopbackRecords(name.text, family);

    const startedMs = performance.now();
    using _turn = await this.#turns.acquire(signal, signal, { ms: this.#deadlineMs, reason: deadlinePassed });
    using deadline = this.#deadline(signal, startedMs);
    const conf = await this.#resolvConf.get(deadline.signal);
    this.#extend(deadline, conf);
    let failure: unknown;
    for (const candidate of candidateNames(name, conf)) {
      const records = hostsRecords(hosts, candidate, family);
      if (records.length > 0) return records;
      try {
        return await this.#askFamilies(candidate, family, conf, signal, deadline.signal);
      } catch (error) {
        // Servers that are silent will not know the next name either.
        if (deadline.signal.aborted || isTimeout(error)) throw error;
        // That the name exists, without such an address, is worth more than what came of other names.
        if (!isEmptyAnswer(failure)) failure = error;
      }
    }
    throw failure;
  }

  /** The records of one candidate. @throws RemoteError where it has none. */
  async #askFamilies(name: string, family: LookupFamily, conf: ResolvConf, owner: object, signal: AbortSignal): Promise<LookupRecord[]> {
    const ask = (type: "A" | "AAAA") => this.#ask(name, type, conf, owner, signal);
    switch (family) {
      case "ipv4Only":
        return await ask("A");
      case "ipv6Only":
        return await ask("AAAA");
      case "any":
        try {
          return await ask("A");
        } catch (error) {
          if (signal.aborted || isTimeout(error)) throw error;
          return await ask("AAAA");
        }
      case "both":
      case "unknownAddressFamilyFromNewerClient": {
        const outcomes = await Promise.allSettled([ask("A"), ask("AAAA")]);
        const records = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
        if (records.length > 0) return records;
        const failures = outcomes.flatMap((outcome): unknown[] => (outcome.status === "rejected" ? [outcome.reason] : []));
        // That one family is absent says nothing when the other could not be asked.
        throw failures.find((error) => !isAbsence(error)) ?? failures[0];
      }
    }
  }

  async #ask(name: string, type: "A" | "AAAA", conf: ResolvConf, owner: object, signal: AbortSignal): Promise<LookupRecord[]> {
    const question: Question = { name: name.toLowerCase(), type };
    const answer = await this.#querier.query(question, conf, owner, signal);
    if (answer.kind === "none") throw noRecordsFound(answer.code);
    return answer.data.map((ip) => ({ name: recordName(answer.owner), ip }));
  }

  async reverse(address: string, signal: AbortSignal): Promise<string> {
    const ip = unmappedIp(address);
    this.#options.requestCount.add(1);
    try {
      using deadline = this.#deadline(signal);
      const hosts = await this.#hosts.get(deadline.signal);
      const known = hosts.nameByAddress.get(canonicalIp(ip) ?? "");
      if (known !== undefined) return known;
      using _turn = await this.#turns.acquire(signal, deadline.signal);
      const conf = await this.#resolvConf.get(deadline.signal);
      this.#extend(deadline, conf);
      const answer = await this.#querier.query({ name: reverseName(ip), type: "PTR" }, conf, signal, deadline.signal);
      if (answer.kind === "none") throw noRecordsFound(answer.code);
      // Throws where a server sends what no host can be called.
      return parseHostName(answer.data[0] ?? "").text;
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log.debug("reverse look-up failed", { reason: lookupIoError(error).message });
      throw remoteKindError({ kind: "other" }, "reverse look-up failed", error);
    } finally {
      this.#options.requestCount.add(-1);
    }
  }

  async #readHosts(signal: AbortSignal): Promise<HostsFile> {
    using deadline = this.#deadline(signal);
    return await this.#hosts.get(deadline.signal);
  }

  #deadline(signal: AbortSignal, startedMs?: number): Deadline {
    return new Deadline(signal, this.#deadlineMs, deadlinePassed, startedMs);
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? deadlineLeastMs;
  }

  /** Gives a look-up the time that the tries of one server take, once these are known. */
  #extend(deadline: Deadline, { timeoutMs, attempts }: ResolvConf): void {
    const neededMs = Math.min(timeoutMs * attempts, deadlineMostMs);
    if (this.#options.deadlineMs === undefined && neededMs > deadlineLeastMs) deadline.moveTo(neededMs);
  }

  #override(conf: ResolvConf): ResolvConf {
    const { timeoutMs = conf.timeoutMs, attempts = conf.attempts } = this.#options;
    return {
      ...conf,
      timeoutMs: Math.min(Math.max(timeoutMs, 1), deadlineMostMs),
      attempts: Math.min(attempts, attemptsMost),
    };
  }

  [Symbol.dispose](): void {
    this.#querier[Symbol.dispose]();
  }
}

function hostsRecords({ addressesByName }: HostsFile, name: string, family: LookupFamily): LookupRecord[] {
  const entry = addressesByName.get(name.toLowerCase());
  if (entry === undefined) return [];
  return addressesOf(entry, family).map((ip) => ({ name: recordName(name), ip }));
}

/** Names of answers end with a dot and are in lower case: clients of the reference know them so, however the name was spelled. */
function recordName(name: string): string {
  return `${name.toLowerCase()}.`;
}

function loopbackRecords(name: string, family: LookupFamily): LookupRecord[] {
  return addressesOf({ ipv4: ["127.0.0.1"], ipv6: ["::1"] }, family).map((ip) => ({ name: recordName(name), ip }));
}

function addressesOf({ ipv4, ipv6 }: HostsEntry, family: LookupFamily): readonly string[] {
  switch (family) {
    case "ipv4Only":
      return ipv4;
    case "ipv6Only":
      return ipv6;
    case "any":
      return ipv4.length > 0 ? ipv4 : ipv6;
    case "both":
    case "unknownAddressFamilyFromNewerClient":
      return [...ipv4, ...ipv6];
  }
}

function lookupKind(error: unknown): string {
  return error instanceof RemoteError && error.response.kind === "dnsLookup" ? error.response.value.kind.kind : "";
}

function isTimeout(error: unknown): boolean {
  return lookupKind(error) === "timeout";
}

function isEmptyAnswer(error: unknown): boolean {
  if (!(error instanceof RemoteError) || error.response.kind !== "dnsLookup") return false;
  const { kind } = error.response.value;
  return kind.kind === "noRecordsFound" && kind.value === responseCode.noError;
}

function isAbsence(error: unknown): boolean {
  return lookupKind(error) === "noRecordsFound";
}
