// Notices that a peer takes nothing of what waits for it. Node's own time-out of a socket is no help: it starts anew with every byte that the
// peer sends and with everything more that is written to it.

/** Looks in one time-out. A peer is found stuck at most this part of the time-out late. */
const LOOKS = 8;

export interface StuckWatchOptions {
  /** Longest time without progress while something waits, in ms. */
  readonly timeoutMs: number;
  /** A number that changes whenever the peer has taken something. */
  readonly progress: () => number;
  /** Called once. */
  readonly onStuck: () => void;
}

export class StuckWatch implements Disposable {
  readonly #options: StuckWatchOptions;
  #looking: NodeJS.Timeout | undefined;
  #isWaiting = false;
  #lastProgress = 0;
  #lastProgressMs = 0;

  constructor(options: StuckWatchOptions) {
    this.#options = options;
  }

  /** Says whether something waits for the peer. That nothing waits, be it for a moment, is progress. */
  set isWaiting(isWaiting: boolean) {
    if (isWaiting && !this.#isWaiting) {
      this.#lastProgressMs = performance.now();
      this.#looking ??= setInterval(() => this.#look(), this.#options.timeoutMs / LOOKS);
    }
    this.#isWaiting = isWaiting;
  }

  [Symbol.dispose](): void {
    this.#isWaiting = false;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  #look(): void {
    if (!this.#isWaiting) {
      // Left running till now, since most peers are waited for again and again.
      this[Symbol.dispose]();
      return;
    }
    const progress = this.#options.progress();
    const now = performance.now();
    if (progress !== this.#lastProgress) this.#lastProgressMs = now;
    this.#lastProgress = progress;
    if (now - this.#lastProgressMs < this.#options.timeoutMs) return;
    this[Symbol.dispose]();
    this.#options.onStuck();
  }
}
