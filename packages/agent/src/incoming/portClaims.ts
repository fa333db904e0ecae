// The ports that one client has subscribed to in one role. Redirecting a port waits for the kernel; answers still come in the order of the requests, and an
// unsubscribe never overtakes the subscribe before it, while many ports asked for at once are redirected at once.

import type { DaemonTcp, ResponseError } from "@understudy/protocol";
import type { SessionLink } from "../link/sessionLink.ts";
import { WorkInOrder } from "../task/orderedAnswers.ts";
import type { CompiledFilter } from "./http/filter/compiledFilter.ts";
import { FilterError } from "./http/filter/filterError.ts";
import type { IncomingTraffic } from "./incomingTraffic.ts";

export interface PortClaimsOptions {
  readonly link: SessionLink;
  readonly traffic: IncomingTraffic;
  readonly answer: (message: DaemonTcp) => void;
  /** Ends the client's subscription to a port. */
  readonly unsubscribe: (port: number) => void;
}

interface Prepared {
  readonly filter: CompiledFilter | null;
  readonly problem: FilterError | ResponseError | null;
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

  /** Claims a port and answers. The filter is compiled first; `apply` subscribes, and owns it, once the port is redirected. */
  subscribe(port: number, compiling: Promise<CompiledFilter | null>, apply: (filter: CompiledFilter | null) => void): void {
    const { traffic, link, answer } = this.#options;
    const prepared = this.#prepare(port, compiling);
    // A bug in it is reported when its turn comes.
    prepared.catch(() => undefined);
    this.#changes.add(async () => {
      const { filter, problem } = await prepared;
      if (problem === null && !this.#isGone) {
        this.#claims.set(port, (this.#claims.get(port) ?? 0) + 1);
        apply(filter);
        answer({ kind: "subscribeResult", value: { kind: "ok", value: port } });
        return;
      }
      filter?.[Symbol.dispose]();
      if (problem === null) traffic.release(port);
      else if (problem instanceof FilterError) {
        link.reply({ kind: "close", value: `Failed to parse the given HTTP filter: ${problem.message}` });
      } else if (!this.#isGone) answer({ kind: "subscribeResult", value: { kind: "err", value: problem } });
    });
  }

  async #prepare(port: number, compiling: Promise<CompiledFilter | null>): Promise<Prepared> {
    let filter: CompiledFilter | null;
    try {
      filter = await compiling;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      return { filter: null, problem: error };
    }
    const { traffic, link } = this.#options;
    return { filter, problem: await traffic.redirect(port, link) };
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
