// A session that outlives its connection: when that breaks, a new one is opened and what was subscribed is subscribed again. What was
// in progress is not carried over: requests, connections and open files end with the session that they belong to.

import { SessionClosedError } from "../errors.ts";
import type { MirrorOptions, StealOptions, Subscription } from "../incoming/subscription.ts";
import type { Session } from "../session.ts";
import { LastingClaim, type LastingSubscription } from "./lastingClaim.ts";
import { ReconnectDelays } from "./reconnectDelays.ts";

export interface LastingSessionOptions {
  /** Ends it when it aborts, also while it is being opened. */
  readonly signal?: AbortSignal | undefined;
  /** Called each time the connection breaks. */
  readonly onLost?: (reason: SessionClosedError) => void;
  /** Called each time an attempt to connect again failed. It is tried again after a while. */
  readonly onAttemptFailed?: (error: unknown) => void;
  /** Called each time a new session has everything that was subscribed and that the agent still grants. */
  readonly onRestored?: () => void;
  /** The wait before the first attempt. Default 250. */
  readonly firstDelayMs?: number;
  /** The longest wait between two attempts. Default 15,000. */
  readonly maxDelayMs?: number;
}

type State =
  | { readonly kind: "connected"; readonly session: Session }
  /** Those who wait for the next session share `next`. */
  | { readonly kind: "reconnecting"; readonly next: PromiseWithResolvers<Session> }
  | { readonly kind: "over"; readonly reason: SessionClosedError };

/** Owns its sessions. */
export class LastingSession implements AsyncDisposable {
  /** Resolves, never rejects, with the reason when it is over for good. */
  readonly closed: Promise<SessionClosedError>;
  readonly #connect: (signal: AbortSignal) => Promise<Session>;
  readonly #options: LastingSessionOptions;
  readonly #delays: ReconnectDelays;
  readonly #claims = new Set<LastingClaim>();
  /** Aborts what is under way to a next session. */
  readonly #leaving = new AbortController();
  readonly #resolveClosed: (reason: SessionClosedError) => void;
  readonly #onAbort = (): void =>
    void this.#leave(new SessionClosedError("aborted", "the session was aborted", { cause: this.#signal?.reason }));
  /** The last that was opened. */
  #latest: Session;
  #state: State;

  private constructor(session: Session, connect: (signal: AbortSignal) => Promise<Session>, options: LastingSessionOptions) {
    this.#connect = connect;
    this.#options = options;
    this.#delays = new ReconnectDelays({ firstMs: options.firstDelayMs ?? 250, maxMs: options.maxDelayMs ?? 15_000 });
    const { promise, resolve } = Promise.withResolvers<SessionClosedError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#latest = session;
    this.#state = { kind: "connected", session };
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    void this.#follow(session);
  }

  /** Opens the first session. Rejects with what `connect` rejects with: only what worked once is tried again. */
  static async open(connect: (signal: AbortSignal) => Promise<Session>, options: LastingSessionOptions = {}): Promise<LastingSession> {
    const signal = options.signal ?? new AbortController().signal;
    const session = await connect(signal);
    const lasting = new LastingSession(session, connect, options);
    if (signal.aborted) lasting.#onAbort();
    return lasting;
  }

  /**
   * The session of now; while there is none, waits for the next.
   * @throws SessionClosedError when it is over for good; the reason of `signal` when that aborts first.
   */
  async session({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<Session> {
    // Whoever asks because a request just failed with its session is not given that session again: its end is known here a step later.
    await Promise.resolve();
    switch (this.#state.kind) {
      case "connected":
        return this.#state.session;
      case "over":
        throw this.#state.reason;
      case "reconnecting":
        return await unlessAborted(this.#state.next.promise, signal);
    }
  }

  /** As `Session.steal`, and again with each new session. */
  steal(port: number, options: StealOptions): Promise<LastingSubscription> {
    return this.#claim(port, (session) => session.steal(port, options));
  }

  /** As `Session.mirror`, and again with each new session. */
  mirror(port: number, options: MirrorOptions): Promise<LastingSubscription> {
    return this.#claim(port, (session) => session.mirror(port, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave(new SessionClosedError("disposed", "the session was closed by this side"));
  }

  get #signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  async #claim(port: number, subscribe: (session: Session) => Promise<Subscription>): Promise<LastingSubscription> {
    const claim = new LastingClaim(port, subscribe, (ended) => this.#claims.delete(ended));
    for (;;) {
      const session = await this.session();
      try {
        await claim.subscribeIn(session);
        this.#claims.add(claim);
        return claim;
      } catch (error) {
        if (!(error instanceof SessionClosedError && comesAgain(error))) throw error;
        // Once that is known, `session` waits for the next one.
        await session.closed;
      }
    }
  }

  /** Goes from session to session until it is over. Never rejects. */
  async #follow(first: Session): Promise<void> {
    for (let session = first; ;) {
      const openedAt = performance.now();
      const reason = await session.closed;
      if (this.#state.kind === "over") return;
      if (!comesAgain(reason)) return this.#end(reason);
      this.#delays.lived(performance.now() - openedAt);
      if (this.#state.kind === "connected") this.#state = { kind: "reconnecting", next: waitersForNext() };
      this.#options.onLost?.(reason);
      const following = await this.#reconnect();
      if (following === null) return;
      session = following;
      this.#latest = following;
      if (await this.#restore(session)) this.#connected(session);
    }
  }

  /** Null when it is over. */
  async #reconnect(): Promise<Session | null> {
    const { signal } = this.#leaving;
    while (!signal.aborted) {
      try {
        await this.#delays.rest(signal);
        const session = await this.#connect(signal);
        if (!signal.aborted) return session;
        await session[Symbol.asyncDispose]();
      } catch (error) {
        if (!signal.aborted) this.#options.onAttemptFailed?.(error);
      }
    }
    return null;
  }

  /** Subscribes everything again. What the agent refuses now is told to its owner. False when the session ended meanwhile: its next round sees why. */
  async #restore(session: Session): Promise<boolean> {
    for (const claim of this.#claims) {
      try {
        await claim.subscribeIn(session);
      } catch (error) {
        if (error instanceof SessionClosedError) return false;
        claim.end(error instanceof Error ? error : new Error(String(error)));
      }
    }
    return true;
  }

  #connected(session: Session): void {
    if (this.#state.kind !== "reconnecting") return;
    const { next } = this.#state;
    this.#state = { kind: "connected", session };
    next.resolve(session);
    this.#options.onRestored?.();
  }

  async #leave(reason: SessionClosedError): Promise<void> {
    this.#end(reason);
    await this.#latest[Symbol.asyncDispose]();
  }

  /** Only the first reason counts. */
  #end(reason: SessionClosedError): void {
    const state = this.#state;
    if (state.kind === "over") return;
    this.#state = { kind: "over", reason };
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#leaving.abort(reason);
    if (state.kind === "reconnecting") state.next.reject(reason);
    for (const claim of this.#claims) claim.end(reason);
    this.#resolveClosed(reason);
  }
}

/** What an agent says at the end is final, such as that it cannot read a filter, and so is what it cannot have meant. */
function comesAgain({ end }: SessionClosedError): boolean {
  return end === "connectionLost" || end === "timeout";
}

function waitersForNext(): PromiseWithResolvers<Session> {
  const next = Promise.withResolvers<Session>();
  // Nobody needs to be waiting when it is over.
  next.promise.catch(() => undefined);
  return next;
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
