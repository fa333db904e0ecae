// Users of the target that never stop: each makes one request after the other, every one over a new connection, and notes what was not a complete answer.

import { once } from "node:events";
import { EventEmitter } from "node:events";
import { get, type Pod, podIpv4, podIpv6 } from "./pod.ts";
import type { Response } from "./http.ts";

export class SteadyPeers implements AsyncDisposable {
  readonly #done = new EventEmitter();
  readonly #peers: Promise<void>[];
  readonly #failures: string[] = [];
  readonly #answers = new Map<string, number>();
  #count = 0;
  #isOver = false;

  /** Two peers outside, one for each family, and the target itself. */
  constructor(pod: Pod) {
    const path = "/steady";
    this.#peers = [
      () => get(path, { host: podIpv4 }),
      () => get(path, { host: podIpv6 }),
      () => pod.requestFromTarget({ host: "127.0.0.1", path }),
    ].map((ask) => this.#run(ask));
  }

  /** Requests so far. */
  get count(): number {
    return this.#count;
  }

  /** What went wrong so far. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** How many answers there were of whom. */
  get answers(): ReadonlyMap<string, number> {
    return this.#answers;
  }

  /** Resolves when so many requests more have ended. */
  async more(requests: number): Promise<void> {
    const end = this.#count + requests;
    while (this.#count < end) await once(this.#done, "request");
  }

  /** Lets the peers finish. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#peers);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(ask: () => Promise<Response>): Promise<void> {
    while (!this.#isOver) {
      try {
        const { status, body } = await ask();
        if (status !== 200 || body === "") this.#failures.push(`${status} ${body}`);
        const who = body.includes('"by":"target"') ? "target" : body.trim();
        this.#answers.set(who, (this.#answers.get(who) ?? 0) + 1);
      } catch (error) {
        this.#failures.push(String(error));
      }
      this.#count += 1;
      this.#done.emit("request");
    }
  }
}
