// A port that stays subscribed over several sessions. It does not decide when to subscribe again; its session does.

import type { Subscription } from "../incoming/subscription.ts";
import type { Session } from "../session.ts";

/** A port that is subscribed again with each new session. */
export interface LastingSubscription extends Subscription {
  /**
   * Resolves, never rejects, when the claim is over: with null after `close`, else with why: the agent refused it after the connection had
   * been lost, or the lasting session is over.
   */
  readonly ended: Promise<Error | null>;
}

export class LastingClaim implements LastingSubscription {
  readonly port: number;
  readonly ended: Promise<Error | null>;
  readonly #subscribe: (session: Session) => Promise<Subscription>;
  readonly #onEnded: (claim: LastingClaim) => void;
  readonly #resolveEnded: (reason: Error | null) => void;
  #current: Subscription | null = null;
  #isOver = false;

  /** `onEnded` is called once, when the port is not to be subscribed again. */
  constructor(port: number, subscribe: (session: Session) => Promise<Subscription>, onEnded: (claim: LastingClaim) => void) {
    this.port = port;
    this.#subscribe = subscribe;
    this.#onEnded = onEnded;
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  /** Subscribes in a session that has nothing of it yet. Rejects with what the agent says, or with the session's end. */
  async subscribeIn(session: Session): Promise<void> {
    const subscription = await this.#subscribe(session);
    this.#current = subscription;
    // Closed while the agent was asked.
    if (this.#isOver) await subscription.close();
  }

  /** Nothing more will come. Only the first reason counts. */
  end(reason: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnded(this);
    this.#resolveEnded(reason);
  }

  async close(): Promise<void> {
    this.end(null);
    await this.#current?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
