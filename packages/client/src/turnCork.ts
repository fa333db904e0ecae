// Joins what is written to a stream in one turn of the event loop into one write.

import type { Writable } from "node:stream";

export class TurnCork {
  readonly #stream: Writable;
  #isCorked = false;

  /** The stream stays the caller's. */
  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** To be called before each write. */
  hold(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#stream.uncork();
    });
  }
}
