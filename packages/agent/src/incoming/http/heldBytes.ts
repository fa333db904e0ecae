// Received bytes that have to wait: the beginning of a head, a body that a filter looks at, what a peer sent ahead of its answer. Memory of their own, and counted
// over all connections, so that peers who make us wait cannot use up the agent.

import type { MemoryShare } from "../../task/memoryBudget.ts";

/** What all connections together hold. */
export class HeldMemory {
  readonly #share: MemoryShare;
  readonly #maxBytes: number;

  /** `share`: where it is counted among everything else that the agent holds. */
  constructor(share: MemoryShare, maxBytes: number) {
    this.#share = share;
    this.#maxBytes = maxBytes;
  }

  /** False while so much is held that nobody should hold more than it must. */
  get hasRoom(): boolean {
    return this.#share.heldBytes < this.#maxBytes;
  }

  change(bytes: number): void {
    this.#share.hold(this.#share.heldBytes + bytes);
  }
}

/** What one connection holds: a queue of bytes. Those once handed out never change, also after they were consumed. */
export class HeldBytes {
  readonly #memory: HeldMemory;
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;

  constructor(memory: HeldMemory) {
    this.#memory = memory;
  }

  /** Memory in which they lie, from `start` to `end`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  get start(): number {
    return this.#start;
  }
  get end(): number {
    return this.#end;
  }
  get length(): number {
    return this.#end - this.#start;
  }

  /** Copies `view` behind what is there. */
  append(view: Uint8Array): void {
    const { length } = view;
    if (length === 0) return;
    this.#memory.change(length);
    if (this.#end + length > this.#bytes.length) this.#move(this.length + length);
    this.#bytes.set(view, this.#end);
    this.#end += length;
  }

  /** Forgets the first `count` bytes. */
  consume(count: number): void {
    this.#memory.change(-count);
    this.#start += count;
    if (this.#start < this.#end) return;
    this.#bytes = NOTHING;
    this.#start = 0;
    this.#end = 0;
  }

  clear(): void {
    this.consume(this.length);
  }

  #move(length: number): void {
    // Most of the time there is one piece and no second one.
    const larger = new Uint8Array(this.length === 0 ? length : length * 2);
    larger.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = larger;
    this.#end -= this.#start;
    this.#start = 0;
  }
}

const NOTHING = new Uint8Array(0);
