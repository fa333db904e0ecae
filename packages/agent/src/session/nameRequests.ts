// A client's look-ups of names and of addresses. They overlap, and are answered in the order of the requests of their kind.

import type { AddressFamily, DaemonMessage } from "@understudy/protocol";
import { toResponseError } from "../errors/remoteError.ts";
import { AnswersInOrder } from "../task/orderedAnswers.ts";
import type { NameResolver } from "./services.ts";

export interface NameRequestsOptions {
  readonly resolver: NameResolver;
  /** The session's. */
  readonly signal: AbortSignal;
  readonly send: (answer: DaemonMessage) => void;
  readonly onError: (error: unknown) => void;
}

/** Of one session. */
export class NameRequests {
  readonly #options: NameRequestsOptions;
  readonly #names: AnswersInOrder<DaemonMessage>;
  readonly #addresses: AnswersInOrder<DaemonMessage>;

  constructor(options: NameRequestsOptions) {
    const { send, onError } = options;
    this.#options = options;
    this.#names = new AnswersInOrder(send, onError);
    this.#addresses = new AnswersInOrder(send, onError);
  }

  /** Requests not yet answered, of the kind that has more. */
  get pending(): number {
    return Math.max(this.#names.pending, this.#addresses.pending);
  }

  lookUp(node: string, family: AddressFamily): void {
    this.#names.add(this.#recordsOf(node, family));
  }

  reverse(ip: string): void {
    this.#addresses.add(this.#nameOf(ip));
  }

  async #recordsOf(node: string, family: AddressFamily): Promise<DaemonMessage> {
    const { resolver, signal } = this.#options;
    try {
      const records = await resolver.lookup({ node, family }, signal);
      return { kind: "getAddrInfoResponse", value: { kind: "ok", value: records } };
    } catch (error) {
      return { kind: "getAddrInfoResponse", value: { kind: "err", value: toResponseError(error) } };
    }
  }

  async #nameOf(ip: string): Promise<DaemonMessage> {
    const { resolver, signal } = this.#options;
    try {
      const hostname = await resolver.reverse(ip, signal);
      return { kind: "reverseDnsLookup", value: { kind: "ok", value: { hostname: { kind: "ok", value: hostname } } } };
    } catch (error) {
      return { kind: "reverseDnsLookup", value: { kind: "ok", value: { hostname: { kind: "err", value: toResponseError(error) } } } };
    }
  }
}
