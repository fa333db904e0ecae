// Calls on the event loop that cannot wait by what is known here may still wait for what is not: a program that the kernel asks for
// permission, a security module that reads the file first. One that took long is a sign of it; then the pool does everything for a while.
// One that took long because others had the processor is none: on a busy machine the pool would make it only worse.

import { waitsSoFar } from "@understudy/native";

const defaultSlowMs = 10;
/** How long the pool then does everything, in ms. */
const distrustedMs = 10_000;

/** Whether calls are made on the event loop. One for the whole agent. */
export class InstantTrust {
  readonly #slowMs: number;
  #distrustedUntilMs = -Infinity;

  /** `slowMs`: a call of this length, in ms, that waited is one too long. Default 10. */
  constructor(slowMs: number = defaultSlowMs) {
    this.#slowMs = slowMs;
  }

  get isOn(): boolean {
    return this.#distrustedUntilMs === -Infinity || performance.now() >= this.#distrustedUntilMs;
  }

  /** Makes a call and watches how long it takes. */
  watch<T>(call: () => T): T {
    const waits = waitsSoFar();
    const began = performance.now();
    try {
      return call();
    } finally {
      const ended = performance.now();
      if (ended - began > this.#slowMs && waitsSoFar() !== waits) this.#distrustedUntilMs = ended + distrustedMs;
    }
  }
}
