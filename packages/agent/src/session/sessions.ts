// All clients of the agent: takes their connections, counts them, and knows when the last one has left.

import { setTimeout as sleep } from "node:timers/promises";
import type { AcceptedHandle } from "../socket/acceptHandles.ts";
import type { Services } from "./services.ts";
import { Session } from "./session.ts";

/** How often deaf clients are looked for, in ms. */
const DEAF_CHECK_MS = 2000;
/** Time for ended sessions to give back what they have, in ms: more than their goodbye takes. */
const GIVE_BACK_MS = 1500;

export interface SessionsOptions {
  readonly services: Services;
  /** More clients are turned away with a reason. */
  readonly maxSessions: number;
}

export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions;
  readonly #sessions = new Set<Session>();
  /** Sessions that have something to give back, those whose client has left included. */
  readonly #unfinished = new Set<Session>();
  readonly #deafCheck: NodeJS.Timeout;
  readonly #first = Promise.withResolvers<void>();
  #nextId = 0;
  #onEmpty: (() => void) | null = null;
  #onArrival: (() => void) | null = null;
  #closing: string | null = null;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#deafCheck = setInterval(() => this.#checkDeaf(), DEAF_CHECK_MS);
    this.#deafCheck.unref();
  }

  /** Resolves when the first client has come. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  get count(): number {
    return this.#sessions.size;
  }

  add(accepted: AcceptedHandle): void {
    const { services, maxSessions } = this.#options;
    const { log, metrics } = services;
    const session = new Session(
      this.#nextId++,
      (onread) => {
        const socket = accepted.open({ onread, allowHalfOpen: true });
        socket.setNoDelay(true);
        return socket;
      },
      services,
    );
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
    else if (this.#sessions.size > maxSessions) {
      metrics.refusedSessions.add();
      void session.goodbye(`the agent serves ${maxSessions} clients already`);
    }
  }

  /** Resolves once no client was connected for `idleMs`; never before the first one came. */
  async idle(idleMs: number, signal: AbortSignal): Promise<void> {
    await this.first;
    while (!signal.aborted) {
      if (this.#sessions.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
      const lastId = this.#nextId;
      // Whoever comes begins it anew.
      const came = new AbortController();
      this.#onArrival = () => came.abort();
      if (idleMs > 0) await sleep(idleMs, undefined, { signal: AbortSignal.any([signal, came.signal]) }).catch(() => undefined);
      if (this.#sessions.size === 0 && lastId === this.#nextId) return;
    }
  }

  /** Ends every session with a reason, also those that come later. Does not wait long for what they cannot give back. */
  async close(reason: string): Promise<void> {
    this.#closing = reason;
    const told = Array.from(this.#sessions, (session) => session.goodbye(reason));
    const finished = Promise.all([...told, ...Array.from(this.#unfinished, (session) => session.ended)]);
    const givenUp = new AbortController();
    await Promise.race([finished, sleep(GIVE_BACK_MS, undefined, { signal: givenUp.signal }).catch(() => undefined)]);
    givenUp.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#deafCheck);
    await this.close("the agent is shutting down");
  }

  #gone(session: Session): void {
    this.#sessions.delete(session);
    this.#options.services.metrics.clientCount.add(-1);
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }

  #checkDeaf(): void {
    const now = performance.now();
    for (const session of this.#sessions) session.checkDeaf(now);
  }
}
