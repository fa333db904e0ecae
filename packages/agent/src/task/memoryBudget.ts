// The memory that all sessions together may hold in queues, and each one's share of it. It only counts: whoever holds bytes says so, asks whether
// it may hold more, and pauses its sources when it may not.

export interface MemoryBudgetOptions {
  /** Most bytes of all shares together. */
  readonly totalBytes: number;
  /** Most bytes of one share while there is plenty. */
  readonly shareMaxBytes: number;
}

/** Even with everything in use a share may hold this much, so that every session makes progress. */
const SHARE_MIN_BYTES = 16 * 1024;

export class MemoryBudget {
  readonly #options: MemoryBudgetOptions;
  #usedBytes = 0;
  #activeShares = 0;

  constructor(options: MemoryBudgetOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** True when less than half of the total is free. */
  get isTight(): boolean {
    return this.#usedBytes > this.#options.totalBytes / 2;
  }

  /** True while so little is used that what nobody was promised may be given away. */
  get hasSpare(): boolean {
    return this.#usedBytes < this.#options.totalBytes / 4;
  }

  /** A share of its own for one holder. */
  open(): MemoryShare {
    return new MemoryShare(this);
  }

  /** What one share may hold now: all of its maximum while half of the total is free, else an equal part of the rest. */
  get shareLimitBytes(): number {
    const { totalBytes, shareMaxBytes } = this.#options;
    if (!this.isTight) return shareMaxBytes;
    const equalPart = totalBytes / 2 / Math.max(1, this.#activeShares);
    return Math.min(shareMaxBytes, Math.max(SHARE_MIN_BYTES, equalPart));
  }

  /** Used by shares. */
  change(before: number, after: number): void {
    this.#usedBytes += after - before;
    if (before === 0 && after > 0) this.#activeShares += 1;
    if (before > 0 && after === 0) this.#activeShares -= 1;
  }
}

/** What one holder has of the budget. Close it with `hold(0)`. */
export class MemoryShare {
  readonly #budget: MemoryBudget;
  #heldBytes = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Says how many bytes are held now. */
  hold(bytes: number): void {
    this.#budget.change(this.#heldBytes, bytes);
    this.#heldBytes = bytes;
  }

  /** Whether more may be held. */
  get hasRoom(): boolean {
    return this.#heldBytes < this.#budget.shareLimitBytes;
  }

  /** How many bytes more may be held; 0 when none. */
  get roomBytes(): number {
    return Math.max(0, this.#budget.shareLimitBytes - this.#heldBytes);
  }
}
