// All traffic that arrives for the target, of all sessions: which ports are redirected, and what becomes of each connection and request. Nothing here ever waits for a
// client: who has no room is passed over or pauses its own connections.

import { setTimeout as sleep } from "node:timers/promises";
import type { ResponseError } from "@understudy/protocol";
import { remoteKindError } from "../errors/remoteError.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import { reportBug } from "../log/reportBug.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { ByteSocket } from "../socket/byteSocket.ts";
import { repeat } from "../task/repeat.ts";
import { PendingBytes } from "../task/pendingBytes.ts";
import type { Arrival } from "./arrival.ts";
import { Detection, type Spoken } from "./detection.ts";
import type { FilterInput } from "./http/filter/filterInput.ts";
import { HttpConnection } from "./http/httpConnection.ts";
import { HttpDate } from "./http/httpDate.ts";
import { type HeaderEdit, headerEdit } from "./http/rewriteHead.ts";
import { MirrorClient, type MirroredConnection } from "./mirror/mirrorClient.ts";
import { pump } from "./pump.ts";
import type { RedirectedConnection } from "./redirect/listener.ts";
import { RedirectError } from "./redirect/redirectError.ts";
import type { Redirector } from "./redirect/redirector.ts";
import { StealClient } from "./steal/stealClient.ts";
import { type Mirrorer, PortSubscriptions, type Stealer, type Subscription } from "./subscriptions.ts";
import { connectTarget, type TargetOptions } from "./target.ts";

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
  /** How long a port stays redirected after its last subscription, in ms. */
  readonly unusedPortLingerMs: number;
  /** Pass through to the address that was asked for instead of to loopback. */
  readonly keepsAddress: boolean;
  /** Replace `cache-control` in responses. */
  readonly overridesCacheControl: boolean;
  /** Say in a response header who answered. */
  readonly injectsHeaders: boolean;
  /** Most bytes that wait for the peers of one client. */
  readonly maxPendingBytes: number;
}

/** Who gets a request. */
export interface Judgement {
  readonly stealer: Stealer | null;
  readonly mirrorers: readonly Mirrorer[];
}

/** Rest before lost rules are tried again, in ms; it grows with each failure. */
const RESTORE_REST_MS = 2000;

/** Time for connections that were redirected at the last moment to arrive, in ms. */
const SETTLE_MS = 50;

const NOBODY: Judgement = { stealer: null, mirrorers: [] };

interface Port {
  readonly subscriptions: PortSubscriptions;
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
  readonly #closing = new AbortController();
  #redirector: Promise<Redirector> | null = null;
  /** Connections of peers that were redirected and are still there; what speaks HTTP is among them. */
  readonly #accepted = new Set<ByteSocket>();
  readonly #http = new Set<HttpConnection>();
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: IncomingTrafficOptions) {
    this.#options = options;
    this.targetOptions = { keepAddress: options.keepsAddress, buffers: options.buffers };
    const cache = options.overridesCacheControl ? [headerEdit("cache-control", "no-cache, no-store, must-revalidate")] : [];
    const injected = (value: string): HeaderEdit[] => (options.injectsHeaders ? [headerEdit("mirrord-agent", value)] : []);
    this.passedEdits = [...injected("passed-through"), ...cache];
    this.stolenEdits = [...injected("forwarded-to-client"), ...cache];
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

  /** Who gets a request that arrived on `port` now. The oldest subscription that matches steals it. */
  judge(port: number, request: FilterInput, hasUpgrade: boolean): Judgement {
    const subscriptions = this.#ports.get(port)?.subscriptions;
    if (subscriptions === undefined || subscriptions.isEmpty) return NOBODY;
    const mirrorers: Mirrorer[] = [];
    for (const { subscriber, filter } of subscriptions.mirrorers) {
      if (filter === null || filter.matches(request)) mirrorers.push(subscriber);
    }
    const stealer = this.#findStealer(subscriptions, request, hasUpgrade, port);
    return stealer === null && mirrorers.length === 0 ? NOBODY : { stealer, mirrorers };
  }

  date(): string {
    return this.#date.at(Date.now());
  }

  countPassed(port: number, change: 1 | -1): void {
    const { metrics } = this.#options;
    metrics.redirectedRequestsCount.add(change);
    metrics.bypassedRequests.with(port).add(change);
    if (change > 0) metrics.httpRequests.with("passed").add();
  }

  countStolen(change: 1 | -1): void {
    const { metrics } = this.#options;
    metrics.redirectedRequestsCount.add(change);
    if (change > 0) metrics.httpRequests.with("stolen").add();
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
    for (const connection of this.#http) connection.finish();
    if (this.#accepted.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      setTimeout(resolve, maxMs);
    });
  }

  /** Resets what is left of redirected connections, takes the rules away, and lets go of everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#accepted) socket.reset();
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
    count(-1);
    apply(entry.subscriptions);
    count(1);
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
      entry = { subscriptions: new PortSubscriptions(), users: 0, linger: null };
      this.#ports.set(port, entry);
    }
    return entry;
  }

  async #openRedirector(): Promise<Redirector> {
    this.#redirector ??= this.#options.openRedirector(
      (connection) => this.#accept(connection),
      () => this.#lost(),
    );
    try {
      return await this.#redirector;
    } catch (error) {
      // The next subscription tries again.
      this.#redirector = null;
      throw error;
    }
  }

  #reportRedirect(error: unknown, port?: number): void {
    const isTaken = error instanceof RedirectError && error.problem === "taken";
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
    const restored = new AbortController();
    void repeat(
      async () => {
        const redirector = await this.#openRedirector();
        await Promise.all(Array.from(this.#ports.keys(), (port) => redirector.add(port)));
        restored.abort();
      },
      {
        signal: AbortSignal.any([restored.signal, this.#closing.signal]),
        restMs: RESTORE_REST_MS,
        maxRestMs: 60_000,
        onError: (error) => this.#reportRedirect(error),
      },
    );
  }

  #accept(connection: RedirectedConnection): void {
    const { metrics, detectionTimeoutMs, detectionMaxBytes } = this.#options;
    const arrival: Arrival = { peer: connection.peer, original: connection.original, agentIp: connection.agentIp };
    const socket = new ByteSocket((onread) => connection.open({ onread }), this.#options.buffers, { bytes: () => false });
    metrics.redirectedConnectionsCount.add(1);
    this.#accepted.add(socket);
    socket.socket.once("close", () => {
      metrics.redirectedConnectionsCount.add(-1);
      this.#accepted.delete(socket);
      if (this.#accepted.size === 0) this.#onEmpty?.();
    });
    const subscriptions = this.#ports.get(arrival.original.port)?.subscriptions;
    if (subscriptions === undefined || subscriptions.isEmpty) {
      this.#passThrough(arrival, socket, new Uint8Array(0), false, []);
      return;
    }
    void new Detection(socket, {
      timeoutMs: detectionTimeoutMs,
      maxBytes: detectionMaxBytes,
      take: (spoken, first, hasEnded) => this.#take(arrival, socket, spoken, first, hasEnded),
    });
  }

  /** What is spoken is known: the connection goes where it belongs. */
  #take(arrival: Arrival, socket: ByteSocket, spoken: Spoken, first: Uint8Array, hasEnded: boolean): boolean {
    if (spoken === "http1") {
      const connection = new HttpConnection(arrival, socket, this);
      this.#http.add(connection);
      socket.socket.once("close", () => this.#http.delete(connection));
      if (this.#isDraining) connection.finishAfterOne();
      const mayGoOn = connection.peerBytes(first);
      if (hasEnded) connection.peerEnded();
      return mayGoOn;
    }
    const subscriptions = this.#ports.get(arrival.original.port)?.subscriptions;
    const mirrors: MirroredConnection[] = [];
    for (const { subscriber, filter } of subscriptions?.mirrorers ?? []) {
      const mirrored = filter === null ? subscriber.mirrorConnection(arrival) : null;
      if (mirrored !== null) mirrors.push(mirrored);
    }
    const owner = subscriptions?.owner ?? null;
    if (owner === null) return this.#passThrough(arrival, socket, first, hasEnded, mirrors);
    for (const mirror of mirrors) copyFirst(mirror, first, hasEnded);
    const mayGoOn = owner.takeConnection(arrival, socket, first, hasEnded);
    if (mirrors.length > 0) listenIn(socket, mirrors);
    return mayGoOn;
  }

  #passThrough(
    arrival: Arrival,
    socket: ByteSocket,
    first: Uint8Array,
    hasEnded: boolean,
    mirrors: readonly MirroredConnection[],
  ): boolean {
    const target = connectTarget(arrival, this.targetOptions, { bytes: () => false });
    pump(socket, target.socket, {
      onBytes: (view) => {
        for (const mirror of mirrors) mirror.data(view);
      },
      onEnded: () => {
        for (const mirror of mirrors) mirror.ended();
      },
      onClosed: (error) => {
        for (const mirror of mirrors)
          if (error === null) mirror.close();
          else mirror.failed(error.message);
      },
      onTargetError: (error) => {
        if (!target.isConnected) this.reportPassthrough(target.address, error);
        return false;
      },
    });
    for (const mirror of mirrors) copyFirst(mirror, first, hasEnded);
    const mayGoOn = target.socket.write(first, socket);
    if (hasEnded) target.socket.end();
    return mayGoOn;
  }

  #findStealer(subscriptions: PortSubscriptions, request: FilterInput, hasUpgrade: boolean, port: number): Stealer | null {
    const { owner, stealers } = subscriptions;
    if (owner !== null) {
      if (owner.link.allows("modeAgnosticHttpRequests")) return owner;
      owner.link.tell("error", "An HTTP request was not stolen due to mirrord-protocol version requirement: >=1.19.4");
      return null;
    }
    let found: Stealer | null = null;
    for (const { subscriber, filter } of stealers) {
      if (filter?.matches(request) !== true) continue;
      const { link } = subscriber;
      const what = (): string => `METHOD=(${request.method}) URI=(${request.pathAndQuery?.text ?? ""}) PORT=(${port})`;
      if (found !== null) link.tell("warn", `An HTTP request was stolen by another user. ${what()}`);
      else if (!hasUpgrade || link.allows("httpFilteredUpgrade")) found = subscriber;
      else link.tell("error", `An HTTP request was not stolen due to mirrord-protocol version requirement: >=1.5.0. ${what()}`);
    }
    return found;
  }
}

/** One session's part in the incoming traffic, in both roles. */
export class SessionTraffic implements Disposable {
  readonly #steal: StealClient;
  readonly #mirror: MirrorClient;
  readonly #pending: PendingBytes;

  constructor(link: SessionLink, traffic: IncomingTraffic, { metrics, maxPendingBytes }: IncomingTrafficOptions, onRelief: () => void) {
    this.#pending = new PendingBytes(maxPendingBytes, onRelief);
    this.#steal = new StealClient({ link, traffic, pending: this.#pending });
    this.#mirror = new MirrorClient({ link, traffic, metrics });
  }

  steal(...message: Parameters<StealClient["handle"]>): void {
    this.#steal.handle(...message);
  }

  mirror(...message: Parameters<MirrorClient["handle"]>): void {
    this.#mirror.handle(...message);
  }

  get isOverfull(): boolean {
    return this.#pending.isOverfull;
  }

  [Symbol.dispose](): void {
    this.#steal[Symbol.dispose]();
    this.#mirror[Symbol.dispose]();
  }
}

function copyFirst(mirror: MirroredConnection, first: Uint8Array, hasEnded: boolean): void {
  if (first.length > 0) mirror.data(first);
  if (hasEnded) mirror.ended();
}

/** Lets mirrors see what a socket receives, whoever reads it. */
function listenIn(socket: ByteSocket, mirrors: readonly MirroredConnection[]): void {
  socket.observer = {
    bytes(view) {
      for (const mirror of mirrors) mirror.data(view);
    },
    ended() {
      for (const mirror of mirrors) mirror.ended();
    },
    closed(error) {
      for (const mirror of mirrors) {
        if (error === null) mirror.close();
        else mirror.failed(error.message);
      }
    },
  };
}

/** What a client is told when its port could not be redirected. */
function redirectProblem(link: SessionLink, port: number, error: unknown): ResponseError {
  const message = `port ${port} could not be redirected: ${error instanceof Error ? error.message : String(error)}`;
  if (link.allows("systemFailure")) return { kind: "systemFailure", value: { canRetry: true, code: 0, message } };
  return remoteKindError({ kind: "other" }, message).response;
}
