// What a session's client has written and its peers have not taken, over all its connections. The wire has no flow control per connection: all
// that can be held up is the whole session. So one peer that takes nothing would hold up everything else of its session. To avoid that, a peer
// that has held up the session for a moment is set aside: what waits for it counts against a larger allowance, and the session goes on.
// A peer that takes all it was sent is an ordinary one again.

import type { MemoryBudget } from "./memoryBudget.ts";

export interface WaitingBytesOptions {
  /** Most bytes for all ordinary peers together. */
  readonly maxBytes: number;
  /** Most bytes for the peers set aside. Default 8 MiB. */
  readonly maxAsideBytes?: number;
  /** How long the session is held up before peers are set aside, in ms. Default 200. */
  readonly patienceMs?: number;
  /** Where bytes for peers set aside are counted. They may not take more of it when others need it. */
  readonly budget: MemoryBudget;
  /** Called when `isOverfull` has become false. */
  readonly onRelief: () => void;
}

interface Peer {
  bytes: number;
  isAside: boolean;
}

export class WaitingBytes implements Disposable {
  readonly #options: Required<WaitingBytesOptions>;
  readonly #share;
  /** Those for whom something waits. */
  readonly #peers = new Set<Peer>();
  #ordinaryBytes = 0;
  #asideBytes = 0;
  /** Runs while the session is held up. */
  #patience: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(options: WaitingBytesOptions) {
    this.#options = { maxAsideBytes: 8 << 20, patienceMs: 200, ...options };
    this.#share = options.budget.open();
  }

  /** True while more waits than may: the client should not be read from. */
  get isOverfull(): boolean {
    return this.#ordinaryBytes >= this.#options.maxBytes || this.#asideBytes >= this.#asideLimitBytes;
  }

  /** Bytes that wait for peers set aside. */
  get asideBytes(): number {
    return this.#asideBytes;
  }

  /** A setter for one peer: call it with what waits for it now, and with 0 when nothing does or it is gone. */
  track(): (bytes: number) => void {
    const peer: Peer = { bytes: 0, isAside: false };
    return (bytes) => {
      if (bytes !== peer.bytes) this.#change(peer, bytes);
    };
  }

  /** Nobody is held up any more. Peers still count down what waits for them. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#patience);
  }

  get #asideLimitBytes(): number {
    const { budget, maxBytes, maxAsideBytes } = this.#options;
    return budget.hasSpare ? maxAsideBytes : Math.min(maxBytes, maxAsideBytes);
  }

  #change(peer: Peer, bytes: number): void {
    this.#add(peer, bytes - peer.bytes);
    peer.bytes = bytes;
    if (bytes > 0) this.#peers.add(peer);
    else {
      this.#peers.delete(peer);
      peer.isAside = false;
    }
    if (this.isOverfull) this.#startPatience();
    else this.#relieve();
  }

  #add(peer: Peer, bytes: number): void {
    if (!peer.isAside) {
      this.#ordinaryBytes += bytes;
      return;
    }
    this.#asideBytes += bytes;
    this.#share.hold(this.#asideBytes);
  }

  #startPatience(): void {
    if (this.#isDisposed) return;
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined;
      this.#setAside();
      // The limit may have risen meanwhile, by what others gave back.
      if (this.isOverfull) this.#startPatience();
      else this.#options.onRelief();
    }, this.#options.patienceMs);
  }

  #relieve(): void {
    if (this.#patience === undefined) return;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#options.onRelief();
  }

  /** Those with the most first, until the others have half of their room. */
  #setAside(): void {
    const { maxBytes } = this.#options;
    if (this.#ordinaryBytes < maxBytes) return;
    const peers = [...this.#peers].filter((peer) => !peer.isAside).toSorted((a, b) => b.bytes - a.bytes);
    for (const peer of peers) {
      if (this.#ordinaryBytes <= maxBytes / 2 || this.#asideBytes >= this.#asideLimitBytes) return;
      this.#add(peer, -peer.bytes);
      peer.isAside = true;
      this.#add(peer, peer.bytes);
    }
  }
}
