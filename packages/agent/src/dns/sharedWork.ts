// One piece of work that several callers wait for. Each can leave at any time, at once and without a trace; when the
// last one left, the work is aborted.

/** Options of a `SharedWork`. */
export interface SharedWorkOptions {
  /** Let the work go on when nobody waits any more. Default false. */
  readonly isKept?: boolean;
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

const nobodyWaits = new Error("nobody waits any more");

/** Work under way. Starts with the constructor. */
export class SharedWork<T> {
  readonly #waiters = new Set<Waiter<T>>();
  readonly #abandoned = new AbortController();
  readonly #isKept: boolean;
  #outcome: { ok: true; value: T } | { ok: false; error: Error } | null = null;

  /** `work` gets the signal that aborts when the last waiter left. */
  constructor(work: (signal: AbortSignal) => Promise<T>, { isKept = false }: SharedWorkOptions = {}) {
    this.#isKept = isKept;
    work(this.#abandoned.signal).then(
      (value) => {
        this.#outcome = { ok: true, value };
        for (const waiter of this.#waiters) waiter.resolve(value);
      },
      (error: Error) => {
        this.#outcome = { ok: false, error };
        for (const waiter of this.#waiters) waiter.reject(error);
      },
    );
  }

  /** True once nobody waited any more and the work was told to stop: do not join it. */
  get isAbandoned(): boolean {
    return this.#abandoned.signal.aborted;
  }

  /** Waits for the outcome, which is the same for all. @throws what the work threw; the signal's reason on abort. */
  async wait(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#outcome !== null) {
      if (this.#outcome.ok) return this.#outcome.value;
      throw this.#outcome.error;
    }
    return await new Promise<T>((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        leave();
        if (!this.#isKept && this.#waiters.size === 0) this.#abandoned.abort(nobodyWaits);
        reject(signal.reason as Error);
      };
      const waiter: Waiter<T> = {
        resolve: (value) => {
          leave();
          resolve(value);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
