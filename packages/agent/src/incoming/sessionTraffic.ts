// One session's part in the incoming traffic: its subscriptions and what they bring it, in both roles.

import type { ShareLinkRequest } from "@understudy/protocol";
import type { SessionLink } from "../link/sessionLink.ts";
import { WaitingBytes } from "../task/waitingBytes.ts";
import type { IncomingTraffic, IncomingTrafficOptions } from "./incomingTraffic.ts";
import { MirrorClient } from "./mirror/mirrorClient.ts";
import type { SessionShareKeys } from "./shareLinks/shareKeys.ts";
import { StealClient } from "./steal/stealClient.ts";

export class SessionTraffic implements Disposable {
  readonly #steal: StealClient;
  readonly #mirror: MirrorClient;
  readonly #waiting: WaitingBytes;
  readonly #shareKeys: SessionShareKeys;
  readonly #link: SessionLink;

  constructor(
    link: SessionLink,
    traffic: IncomingTraffic,
    { metrics, budget, maxPendingBytes, mirror }: IncomingTrafficOptions,
    onRelief: () => void,
  ) {
    this.#link = link;
    this.#shareKeys = traffic.shareKeys.join();
    this.#waiting = new WaitingBytes({ maxBytes: maxPendingBytes, budget, onRelief });
    this.#steal = new StealClient({ link, traffic, waiting: this.#waiting });
    this.#mirror = new MirrorClient({ link, traffic, metrics, settings: mirror });
  }

  steal(...message: Parameters<StealClient["handle"]>): void {
    this.#steal.handle(...message);
  }

  mirror(...message: Parameters<MirrorClient["handle"]>): void {
    this.#mirror.handle(...message);
  }

  share(request: ShareLinkRequest): void {
    if (request.kind === "removeKey") {
      this.#shareKeys.remove(request.value);
      return;
    }
    const problem = this.#shareKeys.register(request.value);
    if (problem !== null) this.#link.tell("warn", `The key of a share link was not registered: ${problem}`);
  }

  get isOverfull(): boolean {
    return this.#waiting.isOverfull;
  }

  [Symbol.dispose](): void {
    this.#shareKeys[Symbol.dispose]();
    this.#steal[Symbol.dispose]();
    this.#mirror[Symbol.dispose]();
    this.#waiting[Symbol.dispose]();
  }
}
