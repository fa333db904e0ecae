// Permits for work of which only so much may run at once, handed out in turn among those who wait, so that one owner
// with a thousand waiting requests delays another's only request by one turn. It does not run the work.

import { lookupError } from "./lookupError.ts";

/** Options of a `FairQueue`; all count permits. */
export interface FairQueueLimits {
  /** Permits in all. */
  readonly limit: number;
  /** Permits that one owner holds at most. */
  readonly limitPerOwner: number;
  /** Requests that wait, of all owners; beyond it a request fails. */
  readonly maxWaiting: number;
}

/** How long one request waits at most, and what it fails with then. */
export interface WaitLimit {
  readonly ms: number;
  readonly reason: () => Error;
}

interface Owner {
  readonly key: object;
  held: number;
  /** Oldest first. Each call hands over one permit. */
  readonly waiting: Set<() => void>;
}

/** Counts permits by owner. An owner is any object, and is forgotten with its last permit and request. */
export class FairQueue {
  readonly #limits: FairQueueLimits;
  readonly #owners = new Map<object, Owner>();
  /** Owners that wait and may have another permit, in the order of their turns. */
  readonly #eligible = new Set<Owner>();
  #held = 0;
  #waiting = 0;

  constructor(limits: FairQueueLimits) {
    this.#limits = limits;
  }

  /** Permits held now. */
  get held(): number {
    return this.#held;
  }

  /** Requests that wait now. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits for a permit; the caller disposes of it when the work is done.
   * @throws RemoteError of kind `noConnections` when too many wait; the signal's reason on abort; the limit's when the time is up.
   */
  async acquire(owner: object, signal: AbortSignal, limit?: WaitLimit): Promise<Disposable> {
    signal.throwIfAborted();
    let entry = this.#owners.get(owner);
    if (entry === undefined) {
      entry = { key: owner, held: 0, waiting: new Set() };
      this.#owners.set(owner, entry);
    }
    if (this.#held < this.#limits.limit && entry.held < this.#limits.limitPerOwner && entry.waiting.size === 0) {
      return this.#take(entry);
    }
    if (this.#waiting >= this.#limits.maxWaiting) {
      this.#forget(entry);
      throw lookupError(`more than ${this.#limits.maxWaiting} queries wait`, { kind: "noConnections" });
    }
    return await this.#wait(entry, signal, limit);
  }

  #wait(owner: Owner, signal: AbortSignal, limit?: WaitLimit): Promise<Disposable> {
    return new Promise<Disposable>((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        owner.waiting.delete(onTurn);
        this.#waiting--;
        if (owner.waiting.size === 0) this.#eligible.delete(owner);
      };
      const onTurn = () => {
        leave();
        resolve(this.#take(owner));
      };
      const give = (reason: Error) => {
        leave();
        this.#forget(owner);
        reject(reason);
      };
      const onAbort = () => give(signal.reason as Error);
      // Lighter than a signal of its own, which matters for a thousand that wait.
      const timer = limit === undefined ? undefined : setTimeout(() => give(limit.reason()), limit.ms);
      signal.addEventListener("abort", onAbort, { once: true });
      owner.waiting.add(onTurn);
      this.#waiting++;
      if (owner.held < this.#limits.limitPerOwner) this.#eligible.add(owner);
    });
  }

  #take(owner: Owner): Disposable {
    owner.held++;
    this.#held++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#release(owner);
      },
    };
  }

  #release(owner: Owner): void {
    owner.held--;
    this.#held--;
    if (owner.waiting.size > 0) this.#eligible.add(owner);
    for (const next of this.#eligible) {
      if (this.#held >= this.#limits.limit) break;
      this.#eligible.delete(next);
      const [onTurn] = next.waiting;
      onTurn?.();
      // Behind the others: it had its turn.
      if (next.waiting.size > 0 && next.held < this.#limits.limitPerOwner) this.#eligible.add(next);
    }
    this.#forget(owner);
  }

  #forget(owner: Owner): void {
    if (owner.held === 0 && owner.waiting.size === 0) this.#owners.delete(owner.key);
  }
}
