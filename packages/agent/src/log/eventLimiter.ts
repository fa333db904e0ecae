// Keeps events that peers can cause over and over from filling the admin's log: the first of a code is written at
// once, and from then on at most one in each interval, with the number of those that it stands for.
// Holds one entry a code, so it is bounded by the size of the event table.

import type { Clock } from "./clock.ts";

/** Writes the event; `count` is how many it stands for, or undefined for a first one, which stands for itself. */
export type WriteEvent<T> = (latest: T, count: number | undefined) => void;

interface Quiet<T> {
  timer: Disposable;
  count: number;
  latest: T | undefined;
}

/** Limits the rate of each code apart. Disposing it writes what is still counted. */
export class EventLimiter<T extends object> implements Disposable {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #write: WriteEvent<T>;
  readonly #quiet = new Map<string, Quiet<T>>();

  constructor(clock: Clock, intervalMs: number, write: WriteEvent<T>) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#write = write;
  }

  /** Writes or counts one event of this code. Of those that are counted the latest is kept. */
  add(code: string, event: T): void {
    const quiet = this.#quiet.get(code);
    if (quiet === undefined) {
      this.#quiet.set(code, { timer: this.#timer(code), count: 0, latest: undefined });
      this.#write(event, undefined);
      return;
    }
    quiet.count += 1;
    quiet.latest = event;
  }

  #timer(code: string): Disposable {
    return this.#clock.after(this.#intervalMs, () => this.#intervalEnded(code));
  }

  #intervalEnded(code: string): void {
    const quiet = this.#quiet.get(code);
    if (quiet === undefined) return;
    if (quiet.latest === undefined) {
      this.#quiet.delete(code);
      return;
    }
    const { latest, count } = quiet;
    quiet.timer = this.#timer(code);
    quiet.count = 0;
    quiet.latest = undefined;
    this.#write(latest, count);
  }

  [Symbol.dispose](): void {
    for (const [code, quiet] of this.#quiet) {
      quiet.timer[Symbol.dispose]();
      this.#quiet.delete(code);
      if (quiet.latest !== undefined) this.#write(quiet.latest, quiet.count);
    }
  }
}
