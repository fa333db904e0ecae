// Spreads a burst of connects over turns of the event loop, so that others have theirs in between.

/** Connects begun in one turn. */
const CONNECTS_PER_TURN = 16;

export class ConnectTurns {
  readonly #due: (() => void)[] = [];
  #begunThisTurn = 0;

  /** Resolves when one more connect may begin; null when it may at once. */
  next(): Promise<void> | null {
    if (this.#begunThisTurn === 0) setImmediate(this.#nextTurn);
    if (this.#begunThisTurn < CONNECTS_PER_TURN) {
      this.#begunThisTurn += 1;
      return null;
    }
    return new Promise((resolve) => this.#due.push(resolve));
  }

  readonly #nextTurn = (): void => {
    const begin = this.#due.splice(0, CONNECTS_PER_TURN);
    this.#begunThisTurn = begin.length;
    if (begin.length > 0) setImmediate(this.#nextTurn);
    for (const resolve of begin) resolve();
  };
}
