// The ports that one client has subscribed to in one role. Redirecting a port waits for the kernel; answers still come in the order of the requests, and an
// unsubscribe never overtakes the subscribe before it, while many ports asked for at once are redirected at once.

import type { DaemonTcp, ResponseError, Result } from "@understudy/protocol";
import type { SessionLink } from "../link/sessionLink.ts";
import { WorkInOrder } from "../task/orderedAnswers.ts";
import type { IncomingTraffic } from "./incomingTraffic.ts";

export interface PortClaimsOptions {
  readonly link: SessionLink;
  readonly traffic: IncomingTraffic;
  readonly answer: (message: DaemonTcp) => void;
  /** Ends the client's subscription to a port. */
  readonly unsubscribe: (port: number) => void;
}

export class PortClaims implements Disposable {
  readonly #options: PortClaimsOptions;
  readonly #changes: WorkInOrder;
  /** How many claims there are of each port; every subscribe makes one. */
  readonly #claims = new Map<number, number>();
  #isGone = false;

  constructor(options: PortClaimsOptions) {
    this.#options = options;
    this.#changes = new WorkInOrder((error) => options.traffic.reportBug(error));
  }

  /** Claims a port and answers. `apply` subscribes once the port is redirected. */
  subscribe(port: number, apply: () => void): void {
    const { traffic, link, answer } = this.#options;
    const redirected = traffic.redirect(port, link);
    this.#changes.add(async () => {
      const problem = await redirected;
      if (problem === null && this.#isGone) traffic.release(port);
      if (this.#isGone) return;
      if (problem === null) {
        this.#claims.set(port, (this.#claims.get(port) ?? 0) + 1);
        apply();
      }
      const result: Result<number, ResponseError> = problem === null ? { kind: "ok", value: port } : { kind: "err", value: problem };
      answer({ kind: "subscribeResult", value: result });
    });
  }

  unsubscribe(port: number): void {
    this.#changes.add(() => Promise.resolve(this.#giveBack(port)));
  }

  /** Gives everything back, also what is still being redirected. */
  [Symbol.dispose](): void {
    this.#isGone = true;
    for (const port of this.#claims.keys()) this.#giveBack(port);
  }

  #giveBack(port: number): void {
    const claims = this.#claims.get(port) ?? 0;
    if (claims === 0) return;
    this.#claims.delete(port);
    this.#options.unsubscribe(port);
    for (let i = 0; i < claims; i++) this.#options.traffic.release(port);
  }
}
