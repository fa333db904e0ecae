// How much received data a session holds for streams that nobody reads. The protocol has no flow control per connection, so one
// stream cannot be held back alone: its data is kept, and when all streams together hold too much, the whole session stops reading.

import { ownedBytes } from "./ownedBytes.ts";
import { freshMemory, type ReceiveMemory } from "./reusedBuffers.ts";

/** Counts what is kept and says when to stop and when to go on reading the agent. */
export class ReceiveBudget {
  readonly #maxBytes: number;
  readonly #onChange: (isFull: boolean) => void;
  /** What relayed bytes lie in. */
  readonly memory: ReceiveMemory;
  #heldBytes = 0;
  #isFull = false;

  constructor(maxBytes: number, onChange: (isFull: boolean) => void, memory: ReceiveMemory = freshMemory) {
    this.memory = memory;
    this.#maxBytes = maxBytes;
    this.#onChange = onChange;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  add(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#isFull || this.#heldBytes <= this.#maxBytes) return;
    this.#isFull = true;
    this.#onChange(true);
  }

  /** Reading goes on at half the limit, so that it does not start and stop with every chunk. */
  release(bytes: number): void {
    this.#heldBytes -= bytes;
    if (!this.#isFull || this.#heldBytes > this.#maxBytes / 2) return;
    this.#isFull = false;
    this.#onChange(false);
  }
}

/** Estimated heap of one kept piece beside its bytes. */
const PIECE_OVERHEAD = 128;

/** Where received bytes go in the end, such as a `Readable`, which fills only to its high-water mark. */
export interface Outlet {
  /** Takes bytes for good, or null for the end. False when it wants no more until it calls `want`. */
  push(piece: Uint8Array | null): boolean;
}

/** Received bytes on their way from the session to one outlet. */
export class ReceiveQueue {
  readonly #budget: ReceiveBudget;
  readonly #outlet: Outlet;
  readonly #pieces: Uint8Array[] = [];
  #isWanted = false;
  #state: "open" | "ended" | "discarded" = "open";

  constructor(budget: ReceiveBudget, outlet: Outlet) {
    this.#budget = budget;
    this.#outlet = outlet;
  }

  /** Whether more may come and is of interest. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Whether all that will come has come. */
  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  add(received: Uint8Array): void {
    if (this.#state !== "open") return;
    const piece = ownedBytes(received, this.#budget.memory);
    if (this.#isWanted && this.#pieces.length === 0) {
      this.#isWanted = this.#outlet.push(piece);
      return;
    }
    this.#pieces.push(piece);
    this.#budget.add(piece.length + PIECE_OVERHEAD);
  }

  finish(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    if (this.#pieces.length === 0) this.#outlet.push(null);
  }

  /** To be called when the outlet takes more. */
  want(): void {
    this.#isWanted = true;
    while (this.#isWanted && this.#pieces.length > 0) {
      const piece = this.#pieces.shift() as Uint8Array;
      this.#budget.release(piece.length + PIECE_OVERHEAD);
      this.#isWanted = this.#outlet.push(piece);
      if (this.#pieces.length === 0 && this.#state === "ended") this.#outlet.push(null);
    }
  }

  /** To be called when the outlet is gone. */
  discard(): void {
    this.#state = "discarded";
    for (const piece of this.#pieces.splice(0)) this.#budget.release(piece.length + PIECE_OVERHEAD);
  }
}
