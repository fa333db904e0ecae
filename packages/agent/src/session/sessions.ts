// All clients of the agent: takes their connections, counts them, and knows when the last one has left.

import { setTimeout as sleep } from "node:timers/promises";
import type { AcceptedHandle } from "../socket/acceptHandles.ts";
import { ByteSocket, type SocketReader } from "../socket/byteSocket.ts";
import type { OperatorTls } from "./operatorTls.ts";
import type { Services } from "./services.ts";
import { Session } from "./session.ts";

/** How often deaf and silent clients are looked for, in ms. */
const CHECK_MS = 2000;
/** When a client's machine is asked whether it is there, in s of silence, and how often then. */
const KEEP_ALIVE_IDLE_SECONDS = 30;
const KEEP_ALIVE_INTERVAL_SECONDS = 10;
/** How much longer than it may be deaf a client may leave the kernel without an answer, in ms: whoever is there and does not read is told apart. */
const UNANSWERED_AFTER_DEAF_MS = 10_000;
/** Time for ended sessions to give back what they have, in ms: more than their goodbye takes. */
const GIVE_BACK_MS = 1500;
/** The longest time that the kernel's options take. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export interface SessionsOptions {
  readonly services: Services;
  /** More clients are turned away with a reason. */
  readonly maxSessions: number;
  /** Null: clients need not prove who they are. */
  readonly operatorTls: OperatorTls | null;
}

export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions;
  readonly #sessions = new Set<Session>();
  /** Sessions that have something to give back, those whose client has left included. */
  readonly #unfinished = new Set<Session>();
  readonly #check: NodeJS.Timeout;
  readonly #first = Promise.withResolvers<void>();
  #nextId = 0;
  #onEmpty: (() => void) | null = null;
  #onArrival: (() => void) | null = null;
  #closing: string | null = null;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#check = setInterval(() => this.#checkClients(), CHECK_MS);
    this.#check.unref();
  }

  /** Resolves when the first client has come. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** What waits for the client for whom most waits. */
  get mostBufferedBytes(): number {
    let most = 0;
    for (const { bufferedBytes } of this.#sessions) most = Math.max(most, bufferedBytes);
    return most;
  }

  /**
   * Takes over an accepted connection. It becomes a session at once, or, with an operator, after its handshake.
   *
   * @param refusal why it is turned away; null: it is not.
   */
  add(accepted: AcceptedHandle, refusal: string | null = null): void {
    const { services, operatorTls } = this.#options;
    const { limits, buffers, log } = services;
    const options = {
      allowHalfOpen: true,
      vanished: {
        idleSeconds: KEEP_ALIVE_IDLE_SECONDS,
        intervalSeconds: KEEP_ALIVE_INTERVAL_SECONDS,
        unansweredMs: Math.min(limits.deafTimeoutMs + UNANSWERED_AFTER_DEAF_MS, TIMEOUT_MAX_MS),
      },
    };
    if (operatorTls === null) {
      this.#begin((reader) => new ByteSocket((onread) => accepted.open({ ...options, onread }).setNoDelay(true), buffers, reader), refusal);
      return;
    }
    operatorTls.secure(
      accepted.open(options).setNoDelay(true),
      (secured) => this.#begin((reader) => ByteSocket.over(secured, reader), refusal),
      (error) => {
        if (this.#closing === null) log.event("OPERATOR_TLS_FAILED", { peer: accepted.remote.ip, error });
        this.#tellIfEmpty();
      },
    );
  }

  #begin(open: (reader: SocketReader) => ByteSocket, refusal: string | null): void {
    const { services, maxSessions } = this.#options;
    const { log, metrics } = services;
    const session = new Session(this.#nextId++, open, services);
    this.#sessions.add(session);
    metrics.clientCount.add(1);
    metrics.sessions.add();
    log.trace("client connected", { session: session.id });
    void session.left.then(() => this.#gone(session));
    this.#unfinished.add(session);
    void session.ended.then(() => this.#unfinished.delete(session));
    this.#first.resolve();
    this.#onArrival?.();
    if (this.#closing !== null) void session.goodbye(this.#closing);
    else if (refusal !== null || this.#sessions.size > maxSessions) {
      metrics.refusedSessions.add();
      void session.goodbye(refusal ?? `the agent serves ${maxSessions} clients already`);
    }
  }

  /** Resolves once no client was connected for `idleMs`; never before the first one came. */
  async idle(idleMs: number, signal: AbortSignal): Promise<void> {
    await this.first;
    while (!signal.aborted) {
      if (!this.#isEmpty) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
      const lastId = this.#nextId;
      // Whoever comes begins it anew.
      const came = new AbortController();
      this.#onArrival = () => came.abort();
      if (idleMs > 0) await sleep(idleMs, undefined, { signal: AbortSignal.any([signal, came.signal]) }).catch(() => undefined);
      if (this.#isEmpty && lastId === this.#nextId) return;
    }
  }

  /** Ends every session with a reason, also those that come later. Does not wait long for what they cannot give back. */
  async close(reason: string): Promise<void> {
    this.#closing = reason;
    this.#options.operatorTls?.endAll(reason);
    const told = Array.from(this.#sessions, (session) => session.goodbye(reason));
    const finished = Promise.all([...told, ...Array.from(this.#unfinished, (session) => session.ended)]);
    const givenUp = new AbortController();
    await Promise.race([finished, sleep(GIVE_BACK_MS, undefined, { signal: givenUp.signal }).catch(() => undefined)]);
    givenUp.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#check);
    await this.close("the agent is shutting down");
  }

  /** Nobody is there, and nobody is just proving who he is. */
  get #isEmpty(): boolean {
    return this.#sessions.size === 0 && (this.#options.operatorTls?.underWay ?? 0) === 0;
  }

  #tellIfEmpty(): void {
    if (this.#isEmpty) this.#onEmpty?.();
  }

  #gone(session: Session): void {
    this.#sessions.delete(session);
    this.#options.services.metrics.clientCount.add(-1);
    this.#tellIfEmpty();
  }

  #checkClients(): void {
    const now = this.#options.services.work.begin("looking for clients that do not read or say nothing");
    for (const session of this.#sessions) session.checkClient(now);
  }
}
