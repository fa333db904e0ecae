// A session that behaves well while others do not: it pings all the time, and tells how long it had to wait at worst.

import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "@understudy/client";

const REST_MS = 2;

export class PingWatch implements AsyncDisposable {
  readonly #session: Session;
  readonly #running: Promise<void>;
  #isOver = false;
  #longestMs = 0;
  #count = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#running = this.#run();
    // Told by `stop`.
    this.#running.catch(() => undefined);
  }

  /** Ends it. Rejects when the session was lost. */
  async stop(): Promise<{ readonly longestMs: number; readonly count: number }> {
    this.#isOver = true;
    await this.#running;
    return { longestMs: this.#longestMs, count: this.#count };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#running.catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      this.#longestMs = Math.max(this.#longestMs, await this.#session.ping());
      this.#count += 1;
      await sleep(REST_MS);
    }
  }
}
