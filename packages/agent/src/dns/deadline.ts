// A signal that aborts with another one or after some time, whichever is first.

/** Owns a timer and a listener; dispose of it when the work is done. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #reason: () => Error;
  readonly #startedMs: number;
  #timer: NodeJS.Timeout;
  readonly #onAbort = () => this.#controller.abort(this.#parent.reason);

  /** `reason` makes what the signal aborts with when the time is up. `startedMs`: from when on it counts, by `performance.now()`; default now. */
  constructor(parent: AbortSignal, afterMs: number, reason: () => Error, startedMs: number = performance.now()) {
    this.#startedMs = startedMs;
    this.#parent = parent;
    this.#reason = reason;
    this.#timer = this.#arm(startedMs + afterMs - performance.now());
    if (parent.aborted) this.#onAbort();
    else parent.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborts at the deadline. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Changes the time, which still counts from the start. */
  moveTo(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = this.#arm(this.#startedMs + afterMs - performance.now());
  }

  #arm(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#controller.abort(this.#reason()), ms);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener("abort", this.#onAbort);
  }
}
