// Who wants what of a port. Pure bookkeeping: it neither redirects nor sends. At any time a port is either stolen as a whole by one client or, request by
// request, by any number of them, oldest subscription first; mirroring never conflicts with anything.

import type { Arrival } from "./arrival.ts";
import type { CompiledFilter } from "./http/filter/compiledFilter.ts";
import type { MirroredConnection, MirroredRequest } from "./mirror/mirrored.ts";
import type { RequestStart, RequestPeer, StolenRequest } from "./steal/stolenRequest.ts";
import type { StolenConnection } from "./steal/stolenConnection.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { ByteSocket } from "../socket/byteSocket.ts";

/** A client in its role as the one that answers instead of the target. */
export interface Stealer {
  readonly link: SessionLink;
  /** Takes over a whole connection; `first` are the bytes read so far, good for this call. False when they were queued in full and reading should pause. */
  takeConnection(arrival: Arrival, socket: ByteSocket, first: Uint8Array, hasEnded: boolean): boolean;
  takeRequest(start: RequestStart, peer: RequestPeer): StolenRequest;
  /** The connection of a request that was answered with an upgrade: raw data on the same id from here on. */
  takeUpgraded(id: number, socket: ByteSocket): StolenConnection;
  /** A request that it wanted was passed on, since too much waits for this client already. */
  passedOver(): void;
  /** A setter for what waits for one of its peers. */
  trackPending(): (bytes: number) => void;
}

/** A client in its role as a listener. Null when it has no room: that connection or request is not mirrored to it. */
export interface Mirrorer {
  readonly link: SessionLink;
  /** Bytes come to it as the socket's observer. */
  mirrorConnection(arrival: Arrival, socket: ByteSocket): MirroredConnection | null;
  mirrorRequest(start: RequestStart, mayUpgrade: boolean): MirroredRequest | null;
}

export interface Subscription<Subscriber> {
  readonly subscriber: Subscriber;
  /** Null: everything. */
  readonly filter: CompiledFilter | null;
}

export class PortSubscriptions {
  /** Either one without a filter or any number with one, oldest first. */
  #stealers: readonly Subscription<Stealer>[] = [];
  #mirrorers: readonly Subscription<Mirrorer>[] = [];

  get isEmpty(): boolean {
    return this.#stealers.length === 0 && this.#mirrorers.length === 0;
  }

  get stealers(): readonly Subscription<Stealer>[] {
    return this.#stealers;
  }

  get mirrorers(): readonly Subscription<Mirrorer>[] {
    return this.#mirrorers;
  }

  /** All filters in use. Whoever changes the subscriptions disposes of those that are not in use afterwards. */
  get filters(): readonly CompiledFilter[] {
    return [...this.#stealers, ...this.#mirrorers].map(({ filter }) => filter).filter((filter) => filter !== null);
  }

  get hasFilter(): boolean {
    return this.#stealers.some(isFiltered) || this.#mirrorers.some(isFiltered);
  }

  /** The one that steals everything; null when there is none. */
  get owner(): Stealer | null {
    const [first] = this.#stealers;
    return first !== undefined && first.filter === null ? first.subscriber : null;
  }

  /**
   * Subscribes; the same client's earlier subscription is replaced in its place. A subscription of the other kind (with against without a
   * filter) ends all that were there. Returns the clients that are out.
   */
  steal(subscription: Subscription<Stealer>): readonly Stealer[] {
    const isAlone = subscription.filter === null || this.owner !== null;
    const before = this.#stealers;
    if (isAlone) this.#stealers = [subscription];
    else this.#stealers = replaced(before, subscription);
    return before.map(({ subscriber }) => subscriber).filter((one) => !this.#stealers.some(({ subscriber }) => subscriber === one));
  }

  unsteal(stealer: Stealer): void {
    this.#stealers = this.#stealers.filter(({ subscriber }) => subscriber !== stealer);
  }

  /** A plain subscription does not take an earlier filter away. */
  mirror(subscription: Subscription<Mirrorer>): void {
    const earlier = this.#mirrorers.find(({ subscriber }) => subscriber === subscription.subscriber);
    const filter = subscription.filter ?? earlier?.filter ?? null;
    this.#mirrorers = replaced(this.#mirrorers, { ...subscription, filter });
  }

  unmirror(mirrorer: Mirrorer): void {
    this.#mirrorers = this.#mirrorers.filter(({ subscriber }) => subscriber !== mirrorer);
  }
}

function isFiltered({ filter }: Subscription<unknown>): boolean {
  return filter !== null;
}

function replaced<T>(list: readonly Subscription<T>[], subscription: Subscription<T>): readonly Subscription<T>[] {
  const isThere = list.some(({ subscriber }) => subscriber === subscription.subscriber);
  if (!isThere) return [...list, subscription];
  return list.map((one) => (one.subscriber === subscription.subscriber ? subscription : one));
}
