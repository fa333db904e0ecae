// Answers one question by the servers of a resolv.conf: retries, UDP and TCP, a bound on connections.
// How many questions there are at once is the caller's to bound. It knows nothing of search lists, hosts files and address families (see `resolver.ts`).

import { RemoteError } from "../errors/remoteError.ts";
import type { Answer, Question } from "./message.ts";
import type { ResolvConf } from "./resolvConf.ts";
import { AnswerCache } from "./answerCache.ts";
import { askServers, type UsefulAnswer } from "./askServers.ts";
import { FairQueue, type FairQueueLimits } from "./fairQueue.ts";
import { lookupMessage, lookupTimeout } from "./lookupError.ts";
import { exchangeOverTcp } from "./tcpQuery.ts";
import { UdpServer } from "./udpServer.ts";

/** Options of a `Querier`. */
export interface QuerierOptions {
  /** Port of every server; 53 unless a test says otherwise. */
  readonly serverPort: number;
  /** Connections to servers. */
  readonly tcp: FairQueueLimits;
  readonly cacheEntries: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What of a resolv.conf matters here. */
export type ServerSettings = Pick<ResolvConf, "servers" | "timeoutMs" | "attempts" | "rotate" | "useTcp" | "edns">;

/** Queries to servers, shared by all sessions. Owns the sockets. */
export class Querier implements Disposable {
  readonly #options: QuerierOptions;
  readonly #connections: FairQueue;
  #settings: ServerSettings | null = null;
  #cache: AnswerCache;
  #udpServers = new Map<string, UdpServer>();
  #rotation = 0;

  constructor(options: QuerierOptions) {
    this.#options = options;
    this.#connections = new FairQueue(options.tcp);
    this.#cache = this.#newCache();
  }

  /** Open UDP sockets. */
  get socketCount(): number {
    return this.#udpServers.values().reduce((count, server) => count + server.socketCount, 0);
  }

  /**
   * The answer of the servers or the cache. `owner` says whose turn is used when many wait.
   * @throws RemoteError; the signal's reason on abort, at once.
   */
  async query(question: Question, settings: ServerSettings, owner: object, signal: AbortSignal): Promise<UsefulAnswer> {
    this.#adopt(settings);
    // What resolv.conf(5) readers of libc do not have is answered by the reference this way.
    if (settings.servers.length === 0) throw lookupMessage("io error: other error");
    return await this.#cache.get(question, (shared) => this.#ask(question, settings, owner, shared), signal);
  }

  /** Other servers know other names: with new settings nothing old is used. */
  #adopt(settings: ServerSettings): void {
    if (this.#settings === settings) return;
    this.#settings = settings;
    this.#cache = this.#newCache();
    for (const [ip, server] of this.#udpServers) {
      if (settings.servers.includes(ip)) continue;
      server[Symbol.dispose]();
      this.#udpServers.delete(ip);
    }
  }

  #newCache(): AnswerCache {
    return new AnswerCache({ maxEntries: this.#options.cacheEntries, now: this.#options.now });
  }

  async #ask(question: Question, settings: ServerSettings, owner: object, signal: AbortSignal): Promise<UsefulAnswer> {
    const { servers, rotate, attempts } = settings;
    const first = rotate ? this.#rotation++ % servers.length : 0;
    const ordered = [...servers.slice(first), ...servers.slice(0, first)];
    for (let attempt = 0; ; attempt++) {
      try {
        return await askServers(ordered, (ip, stop) => this.#exchange(ip, question, settings, owner, stop), signal);
      } catch (error) {
        signal.throwIfAborted();
        // Silence is worth another try; what a server said is not.
        if (attempt >= attempts || !isSilence(error)) throw error;
      }
    }
  }

  async #exchange(
    ip: string,
    question: Question,
    { useTcp, timeoutMs, edns }: ServerSettings,
    owner: object,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (!useTcp) {
      const answer = await this.#udpServer(ip).exchange(question, { timeoutMs, edns }, signal);
      if (answer.kind !== "truncated") return answer;
    }
    using _permit = await this.#connections.acquire(owner, signal);
    const address = { ip, port: this.#options.serverPort };
    return await exchangeOverTcp(address, question, { timeoutMs, edns }, signal);
  }

  #udpServer(ip: string): UdpServer {
    let server = this.#udpServers.get(ip);
    if (server === undefined) {
      server = new UdpServer({ ip, port: this.#options.serverPort });
      this.#udpServers.set(ip, server);
    }
    return server;
  }

  [Symbol.dispose](): void {
    for (const server of this.#udpServers.values()) server[Symbol.dispose]();
    this.#udpServers.clear();
  }
}

function isSilence(error: unknown): boolean {
  if (!(error instanceof RemoteError) || error.response.kind !== "dnsLookup") return false;
  const { kind } = error.response.value;
  return kind.kind === "timeout" || (kind.kind === "message" && kind.value.startsWith("io error"));
}

/** What a look-up whose time is up is answered with. */
export function deadlinePassed(): Error {
  return lookupTimeout("deadline of the look-up");
}
