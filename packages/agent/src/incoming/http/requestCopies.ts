// The copies of one request, for all clients that listen. They end with its exchange, or live on with an upgraded connection.

import type { InternalHttpBodyFrame } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { MirroredRequest } from "../mirror/mirrored.ts";
import { observe } from "../observe.ts";
import type { RequestStart } from "../steal/requestForms.ts";
import type { Mirrorer } from "../subscriptions.ts";
import type { LateCopy } from "./lateCopy.ts";

export class RequestCopies {
  readonly #mirrors: readonly (MirroredRequest | LateCopy)[];

  private constructor(mirrors: readonly (MirroredRequest | LateCopy)[]) {
    this.#mirrors = mirrors;
  }

  /** `hasUpgrade`: the request asks for another protocol. */
  static of(mirrorers: readonly Mirrorer[], start: RequestStart, hasUpgrade: boolean, late: readonly LateCopy[] = []): RequestCopies {
    if (mirrorers.length === 0 && late.length === 0) return RequestCopies.none;
    const mirrors = mirrorers.map((one) => one.mirrorRequest(start, hasUpgrade)).filter((one) => one !== null);
    return new RequestCopies([...mirrors, ...late]);
  }

  static readonly none = new RequestCopies([]);

  get isEmpty(): boolean {
    return this.#mirrors.length === 0;
  }

  /** More of the body. The frames must never change. */
  body(frames: readonly InternalHttpBodyFrame[], isLast: boolean): void {
    for (const mirror of this.#mirrors) {
      mirror.body(frames);
      if (isLast) mirror.finish();
    }
  }

  exchangeEnded(error: string | null): void {
    for (const mirror of this.#mirrors) mirror.exchangeEnded(error);
  }

  /** What the peer sends from here on is copied, beginning with `ahead`, which is there already. */
  upgraded(peer: ByteSocket, ahead: Uint8Array, hasPeerEnded: boolean): void {
    const observers = this.#mirrors.map((mirror) => mirror.upgraded(peer)).filter((one) => one !== null);
    observe(peer, observers, { bytes: ahead, hasEnded: hasPeerEnded });
  }
}
