// The time that a request's head may take from its first byte to its last. It costs nothing for heads that come whole.

export class HeadDeadline implements Disposable {
  readonly #maxMs: number;
  readonly #onLate: () => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(maxMs: number, onLate: () => void) {
    this.#maxMs = maxMs;
    this.#onLate = onLate;
  }

  /** To be told after each step whether a part of a head is there. The time runs from the first such step. */
  update(isPartThere: boolean): void {
    if (!isPartThere) this[Symbol.dispose]();
    else this.#timer ??= setTimeout(this.#onLate, this.#maxMs);
  }

  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
