// Bytes that wait for several slow receivers, counted together against one limit.

export class PendingBytes {
  readonly #maxBytes: number;
  readonly #onRelief: () => void;
  #bytes = 0;

  /** `onRelief` hears when `isOverfull` becomes false. */
  constructor(maxBytes: number, onRelief: () => void) {
    this.#maxBytes = maxBytes;
    this.#onRelief = onRelief;
  }

  get isOverfull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** A setter for one receiver: call it with what waits for it now, and with 0 when it is gone. */
  track(): (bytes: number) => void {
    let held = 0;
    return (bytes) => {
      const wasOverfull = this.isOverfull;
      this.#bytes += bytes - held;
      held = bytes;
      if (wasOverfull && !this.isOverfull) this.#onRelief();
    };
  }
}
