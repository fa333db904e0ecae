// All traffic that arrives for the target, of all sessions: which ports are redirected for whom, and how that ends. Where an accepted connection goes is decided in `route.ts`. Nothing
// here ever waits for a client: who has no room is passed over or pauses its own connections.

import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResponseError } from "@understudy/protocol";
import { remoteKindError } from "../errors/remoteError.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import { reportBug } from "../log/reportBug.ts";
import type { BadGatewayCause, HttpOutcome, Metrics, SpokenProtocol } from "../metrics/metrics.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { ByteSocket } from "../socket/byteSocket.ts";
import type { CurrentWork } from "../task/currentWork.ts";
import { IdTable } from "../task/idTable.ts";
import type { MemoryBudget } from "../task/memoryBudget.ts";
import { retry } from "../task/repeat.ts";
import type { Arrival } from "./arrival.ts";
import type { DetectionLimits } from "./detection.ts";
import type { FilterMeans, FilterServices } from "./http/filter/compiledFilter.ts";
import { HeldMemory } from "./http/heldBytes.ts";
import { HttpDate } from "./http/httpDate.ts";
import type { HttpLimits } from "./http/httpLimits.ts";
import { type HeaderEdit, headerEdit } from "./http/rewriteHead.ts";
import type { MirrorSettings } from "./mirror/mirrorClient.ts";
import { PortHistory } from "./portHistory.ts";
import type { RedirectedConnection } from "./redirect/listener.ts";
import { RedirectError } from "./redirect/redirectError.ts";
import type { Redirector } from "./redirect/redirector.ts";
import { passThrough } from "./rawConnection.ts";
import type { route } from "./route.ts";
import { ShareKeys } from "./shareLinks/shareKeys.ts";
import type { TlsPorts } from "./tls/tlsPorts.ts";
import { SessionTraffic } from "./sessionTraffic.ts";
import { type Mirrorer, PortSubscriptions, type Stealer, type Subscription } from "./subscriptions.ts";
import type { TargetOptions } from "./target.ts";

export interface IncomingTrafficOptions {
  /** Opens the redirector when the first port is asked for. */
  readonly openRedirector: (
    onConnection: (connection: RedirectedConnection) => void,
    /** The rules are gone and could not be brought back: no port is redirected any more. */
    onLost: () => void,
  ) => Promise<Redirector>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly buffers: ReceiveBuffers;
  /** Named in the agent's own answers to peers. */
  readonly agentVersion: string;
  /** Time to find out what is spoken on a connection, in ms. */
  readonly detectionTimeoutMs: number;
  readonly detectionMaxBytes: number;
  /** Find out sooner where a server speaks first: ask the target, and learn from the port's connections before. */
  readonly detectsQuickly: boolean;
  /** How long a port stays redirected after its last subscription, in ms. */
  readonly unusedPortLingerMs: number;
  /** Pass through to the address that was asked for instead of to loopback. */
  readonly keepsAddress: boolean;
  /** Firewall mark of what is passed on that way. Default none. */
  readonly passMark?: number | null;
  /** Replace `cache-control` in responses. */
  readonly overridesCacheControl: boolean;
  /** Say in a response header who answered. */
  readonly injectsHeaders: boolean;
  /** Ports whose peers speak TLS to the agent; null where there are none. */
  readonly tls: TlsPorts | null;
  readonly mirror: MirrorSettings;
  /** Most bytes that wait for the peers of one client. */
  readonly maxPendingBytes: number;
  readonly filters: FilterServices;
  readonly work: CurrentWork;
  /** Where what waits is counted. */
  readonly budget: MemoryBudget;
  readonly http: HttpLimits;
  /** Largest head of an HTTP/2 request, by the measure of RFC 9113 §6.5.2. Default 64 KiB. */
  readonly headerListMaxBytes?: number;
  /** Most bytes of requests, of all peers together, that wait in the agent. */
  readonly maxHeldBytes: number;
}

/** Rest before lost rules are tried again, in ms; it grows with each failure. */
const RESTORE_REST_MS = 2000;

/** Detection takes as many of its time-outs at most, however often a peer sends a little more. */
const DETECTION_TIMEOUTS = 5;

/** Time for connections that were redirected at the last moment to arrive, in ms. */
const SETTLE_MS = 50;

/** A connection on which requests come one after another. */
export interface RequestConnection {
  /** Ends as soon as no request is under way. */
  finish(): void;
  /** As `finish`, before the first request was read. */
  finishAfterOne(): void;
}

interface Port {
  readonly subscriptions: PortSubscriptions;
  readonly history: PortHistory;
  /** Pairs of client and role that want the port redirected. */
  users: number;
  linger: NodeJS.Timeout | null;
}

export class IncomingTraffic implements AsyncDisposable {
  readonly #options: IncomingTrafficOptions;
  readonly #ports = new Map<number, Port>();
  readonly #date = new HttpDate();
  readonly passedEdits: readonly HeaderEdit[];
  readonly stolenEdits: readonly HeaderEdit[];
  readonly targetOptions: TargetOptions;
  /** Keys of share links, of all sessions. */
  readonly shareKeys = new ShareKeys();
  /** What waits of requests, of all peers. */
  readonly heldMemory: HeldMemory;
  readonly #closing = new AbortController();
  #redirector: Promise<Redirector> | null = null;
  /** Connections of peers that were redirected and are still there; what speaks HTTP is among them. */
  readonly #accepted = new IdTable<{ reset(): void }>();
  readonly #http = new IdTable<RequestConnection>();
  #nextId = 0;
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: IncomingTrafficOptions) {
    this.#options = options;
    this.heldMemory = new HeldMemory(options.budget.open(), options.maxHeldBytes);
    this.targetOptions = { keepAddress: options.keepsAddress, mark: options.passMark ?? null, buffers: options.buffers };
    const cache = options.overridesCacheControl ? [headerEdit("cache-control", "no-cache, no-store, must-revalidate")] : [];
    const injected = (value: string): HeaderEdit[] => (options.injectsHeaders ? [headerEdit("mirrord-agent", value)] : []);
    this.passedEdits = [...injected("passed-through"), ...cache];
    this.stolenEdits = [...injected("forwarded-to-client"), ...cache];
  }

  get http(): HttpLimits {
    return this.#options.http;
  }

  get headerListMaxBytes(): number {
    return this.#options.headerListMaxBytes ?? 64 * 1024;
  }

  get agentVersion(): string {
    return this.#options.agentVersion;
  }

  /** A session's part in it. */
  join(link: SessionLink, onRelief: () => void): SessionTraffic {
    return new SessionTraffic(link, this, this.#options, onRelief);
  }

  /**
   * Has a port redirected for one more user. Several asked for in one turn become one change in the kernel. Resolves to null when it is
   * redirected, to be given back by `release`; else to what the client is told.
   */
  async redirect(port: number, link: SessionLink): Promise<ResponseError | null> {
    if (this.#isDraining) return redirectProblem(link, port, new Error("the agent is stopping"));
    const entry = this.#port(port);
    entry.users += 1;
    if (entry.linger !== null) clearTimeout(entry.linger);
    entry.linger = null;
    try {
      const redirector = await this.#openRedirector();
      await redirector.add(port);
      return null;
    } catch (error) {
      this.release(port);
      if (!this.#closing.signal.aborted) this.#reportRedirect(error, port);
      return redirectProblem(link, port, error);
    }
  }

  /** Gives back what `redirect` gave; the port is redirected for as long as anybody has it. */
  release(port: number): void {
    const entry = this.#ports.get(port);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    const { unusedPortLingerMs } = this.#options;
    if (unusedPortLingerMs === 0) {
      this.#forget(port, entry);
      return;
    }
    entry.linger = setTimeout(() => this.#forget(port, entry), unusedPortLingerMs);
    entry.linger.unref();
  }

  /** Subscribes to a redirected port. */
  steal(port: number, subscription: Subscription<Stealer>): void {
    this.#change(port, (subscriptions) => {
      for (const evicted of subscriptions.steal(subscription)) {
        evicted.link.tell("warn", `Port ${port} is now stolen by another user; requests and connections under way go on`);
      }
    });
  }

  mirror(port: number, subscription: Subscription<Mirrorer>): void {
    this.#change(port, (subscriptions) => subscriptions.mirror(subscription));
  }

  /** Ends a subscription, if there is one; connections and requests under way go on. */
  unsteal(port: number, stealer: Stealer): void {
    this.#change(port, (subscriptions) => subscriptions.unsteal(stealer));
  }

  unmirror(port: number, mirrorer: Mirrorer): void {
    this.#change(port, (subscriptions) => subscriptions.unmirror(mirrorer));
  }

  /** Who wants what of a port now; null when nobody wants anything. */
  subscriptionsOf(port: number): PortSubscriptions | null {
    const subscriptions = this.#ports.get(port)?.subscriptions;
    return subscriptions === undefined || subscriptions.isEmpty ? null : subscriptions;
  }

  get detection(): DetectionLimits {
    const { detectionTimeoutMs: timeoutMs, detectionMaxBytes: maxBytes } = this.#options;
    return { timeoutMs, totalMs: timeoutMs * DETECTION_TIMEOUTS, maxBytes };
  }

  /** What the port's connections were like; null when nothing is to be made of it. */
  historyOf(port: number): PortHistory | null {
    return this.#options.detectsQuickly ? (this.#ports.get(port)?.history ?? null) : null;
  }

  /** Keeps a connection that carries requests until its socket closes, to end it in order when the agent stops. */
  keepRequests(connection: RequestConnection, { socket }: ByteSocket): void {
    const id = this.#nextId++;
    this.#http.set(id, connection);
    socket.once("close", () => this.#http.delete(id));
    if (this.#isDraining) connection.finishAfterOne();
  }

  /** What the filters of one client are compiled with. */
  filterMeans(link: SessionLink): FilterMeans {
    return { services: this.#options.filters, owner: link, signal: link.signal, onProblem: (text) => link.tell("warn", text) };
  }

  date(): string {
    return this.#date.at(Date.now());
  }

  countDetected(spoken: SpokenProtocol): void {
    this.#options.metrics.detectedConnections.with(spoken).add();
  }

  /** Ports that are redirected, or are about to be. */
  get portCount(): number {
    return this.#ports.size;
  }

  /** Told what the event loop is busy with. */
  get work(): CurrentWork {
    return this.#options.work;
  }

  /** Counts a request that begins. Returns the time, which is wanted at its end. */
  requestBegan(outcome: HttpOutcome, port: number): number {
    const { metrics } = this.#options;
    metrics.redirectedRequestsCount.add(1);
    if (outcome === "passed") metrics.bypassedRequests.with(port).add(1);
    metrics.httpRequests.with(outcome).add();
    return performance.now();
  }

  requestEnded(outcome: HttpOutcome, port: number, beganMs: number): void {
    const { metrics } = this.#options;
    metrics.redirectedRequestsCount.add(-1);
    if (outcome === "passed") metrics.bypassedRequests.with(port).add(-1);
    metrics.httpRequestSeconds.with(outcome).observe((performance.now() - beganMs) / 1000);
  }

  countBadGateway(cause: BadGatewayCause): void {
    this.#options.metrics.badGatewayAnswers.with(cause).add();
  }

  /** Puts down how long a request was judged, if its port has filters. */
  filtersTook(port: number, ms: number): void {
    if (this.#ports.get(port)?.subscriptions.hasFilter === true) this.#options.metrics.filterSeconds.with("plain").observe(ms / 1000);
  }

  reportPassthrough(address: string, error: Error): void {
    this.#options.log.event("PASSTHROUGH_FAILED", { address, error: error.message });
  }

  reportBroken(error: string): void {
    this.#options.log.event("INCOMING_HTTP_BROKEN", { error });
  }

  reportBug(error: unknown): void {
    reportBug(this.#options.log, error);
  }

  /**
   * Redirects nothing new, and gives what was redirected before `maxMs` to come to its end. The kernel translates addresses of these
   * connections until disposal: after it their peers would hear nothing more, not even a reset.
   */
  async drain(maxMs: number): Promise<void> {
    this.#isDraining = true;
    const redirector = await this.#redirector?.catch(() => null);
    if (redirector == null) return;
    // What cannot be removed now goes with all the rest.
    await Promise.allSettled(Array.from(this.#ports.keys(), (port) => redirector.remove(port)));
    // Handshakes under way are still redirected, and what the kernel has completed waits to be accepted.
    await sleep(SETTLE_MS);
    for (const connection of this.#http.values()) connection.finish();
    if (this.#accepted.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      setTimeout(resolve, maxMs);
    });
  }

  /** Resets what is left of redirected connections, takes the rules away, and lets go of everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#accepted.values()) socket.reset();
    this.#closing.abort();
    for (const port of this.#ports.values()) if (port.linger !== null) clearTimeout(port.linger);
    const redirector = await this.#redirector?.catch(() => null);
    await redirector?.[Symbol.asyncDispose]();
  }

  #change(port: number, apply: (subscriptions: PortSubscriptions) => void): void {
    const entry = this.#ports.get(port);
    if (entry === undefined) return;
    const { metrics } = this.#options;
    const count = (sign: 1 | -1): void => {
      const { stealers, mirrorers, owner } = entry.subscriptions;
      metrics.stealUnfilteredPortSubscriptionCount.add(owner === null ? 0 : sign);
      metrics.stealFilteredPortSubscriptionCount.add(owner === null ? sign * stealers.length : 0);
      metrics.mirrorPortSubscriptionCount.add(sign * mirrorers.length);
    };
    const filters = entry.subscriptions.filters;
    count(-1);
    apply(entry.subscriptions);
    count(1);
    const left = new Set(entry.subscriptions.filters);
    for (const filter of filters) if (!left.has(filter)) filter[Symbol.dispose]();
  }

  /** Takes the port out of the kernel's rules. What was redirected before still arrives, and is passed through. */
  #forget(port: number, entry: Port): void {
    if (entry.users > 0) return;
    this.#ports.delete(port);
    void this.#remove(port);
  }

  async #remove(port: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    try {
      const redirector = await this.#redirector;
      // It may have been asked for again meanwhile.
      if (!this.#ports.has(port)) await redirector?.remove(port);
    } catch (error) {
      this.#reportRedirect(error, port);
    }
  }

  #port(port: number): Port {
    let entry = this.#ports.get(port);
    if (entry === undefined) {
      entry = { subscriptions: new PortSubscriptions(), history: new PortHistory(), users: 0, linger: null };
      this.#ports.set(port, entry);
    }
    return entry;
  }

  async #openRedirector(): Promise<Redirector> {
    this.#redirector ??= this.#loadAndOpen();
    try {
      return await this.#redirector;
    } catch (error) {
      // The next subscription tries again.
      this.#redirector = null;
      throw error;
    }
  }

  /** What is done with a connection, thus all that is HTTP, is loaded with the first port that is redirected. */
  async #loadAndOpen(): Promise<Redirector> {
    const { route: take } = await import("./route.ts");
    return this.#options.openRedirector(
      (connection) => this.#accept(connection, take),
      () => this.#lost(),
    );
  }

  #reportRedirect(error: unknown, port?: number): void {
    const problem = error instanceof RedirectError ? error.problem : null;
    if (problem === "forbidden") return;
    const isTaken = problem === "taken";
    this.#options.log.event(isTaken ? "REDIRECT_TABLE_TAKEN" : "REDIRECT_FAILED", { port, error: String(error) });
  }

  /** Tells everybody concerned, and tries to redirect their ports again until it works. */
  #lost(): void {
    for (const [port, { subscriptions }] of this.#ports) {
      for (const { subscriber } of [...subscriptions.stealers, ...subscriptions.mirrorers]) {
        subscriber.link.tell(
          "error",
          `Port ${port} is not redirected any more, since the agent lost its rules; the agent keeps trying to restore them`,
        );
      }
    }
    void retry(
      async () => {
        const redirector = await this.#openRedirector();
        await Promise.all(Array.from(this.#ports.keys(), (port) => redirector.add(port)));
      },
      {
        signal: this.#closing.signal,
        restMs: RESTORE_REST_MS,
        maxRestMs: 60_000,
        onError: (error) => this.#reportRedirect(error),
      },
    );
  }

  #accept(connection: RedirectedConnection, take: typeof route): void {
    const { buffers, tls, work } = this.#options;
    work.begin("a redirected connection");
    const arrival: Arrival = { peer: connection.peer, original: connection.original, agentIp: connection.agentIp, tls: null };
    if (tls?.has(arrival.original.port) === true && this.subscriptionsOf(arrival.original.port) !== null) {
      void this.#acceptTls(arrival, connection.open(), tls, take);
      return;
    }
    const socket = new ByteSocket((onread) => connection.open({ onread }), buffers, { bytes: () => false });
    this.#keep(socket, socket.socket);
    take(arrival, socket, this);
  }

  async #acceptTls(arrival: Arrival, raw: Socket, tls: TlsPorts, take: typeof route): Promise<void> {
    this.#keep({ reset: () => raw.resetAndDestroy() }, raw);
    try {
      const secured = await tls.secure(arrival, raw);
      if (secured === null) return;
      if (secured.isPlain) passThrough(arrival, secured.socket, this, { bytes: new Uint8Array(0), hasEnded: raw.readableEnded });
      else take(secured.arrival, secured.socket, this);
    } catch (error) {
      this.#options.log.event("INCOMING_TLS_FAILED", { peer: arrival.peer.ip, port: arrival.original.port, error: String(error) });
    }
  }

  /** Counts a connection as long as it lasts. */
  #keep(entry: { reset(): void }, socket: Socket): void {
    const { metrics } = this.#options;
    metrics.redirectedConnectionsCount.add(1);
    const id = this.#nextId++;
    this.#accepted.set(id, entry);
    socket.once("close", () => {
      metrics.redirectedConnectionsCount.add(-1);
      this.#accepted.delete(id);
      if (this.#accepted.size === 0) this.#onEmpty?.();
    });
  }
}

/** What a client is told when its port could not be redirected. */
function redirectProblem(link: SessionLink, port: number, error: unknown): ResponseError {
  const message = `port ${port} could not be redirected: ${error instanceof Error ? error.message : String(error)}`;
  if (link.allows("systemFailure")) return { kind: "systemFailure", value: { canRetry: true, code: 0, message } };
  return remoteKindError({ kind: "other" }, message).response;
}
