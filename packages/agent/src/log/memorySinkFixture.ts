// For tests: a sink that keeps its lines, and a clock that is turned by hand.

import type { Clock } from "./clock.ts";
import type { Importance, LineSink } from "./lineSink.ts";

/** Keeps every line. */
export class MemorySink implements LineSink {
  onDropped: ((lines: number) => void) | null = null;
  readonly lines: string[] = [];
  readonly importances: Importance[] = [];

  write(line: string, importance: Importance): void {
    this.lines.push(line);
    this.importances.push(importance);
  }
}

/** Time that stands still until `advance` is called. */
export class ManualClock implements Clock {
  #nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  readonly #timers = new Map<() => void, number>();

  nowMicros(): number {
    return this.#nowMs * 1000 + 7;
  }

  after(delayMs: number, callback: () => void): Disposable {
    const timer = (): void => callback();
    this.#timers.set(timer, this.#nowMs + delayMs);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** Moves on and runs what is due, in no particular order. */
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const [timer, dueMs] of this.#timers) {
      if (dueMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      timer();
    }
  }

  get timersCount(): number {
    return this.#timers.size;
  }
}
