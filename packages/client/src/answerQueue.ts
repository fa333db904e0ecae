// Who waits for answers that carry no id: the agent answers in the order of the requests.

import type { ClientMessage } from "@understudy/protocol";
import type { AgentLink } from "./agentLink.ts";

/** Waiting requests of one kind, oldest first. Bounded by what its callers ask without awaiting. */
export class AnswerQueue<T> {
  #waiting: { readonly resolve: (answer: T) => void; readonly reject: (reason: Error) => void }[] = [];

  /** Sends a request and waits for its turn. Rejects when the session ends, and when `request` has no form on the wire. */
  ask(link: AgentLink, request: ClientMessage): Promise<T> {
    return new Promise((resolve, reject) => {
      if (link.end !== null) return reject(link.end);
      link.post(request);
      this.#waiting.push({ resolve, reject });
    });
  }

  /** Hands an answer to the oldest request; false when nobody asked. */
  settle(answer: T): boolean {
    const oldest = this.#waiting.shift();
    oldest?.resolve(answer);
    return oldest !== undefined;
  }

  /** Rejects all that wait. */
  fail(reason: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(reason);
  }
}
