// On a terminal, one line under all others about what has been in progress for a while: the longest streams, with what they move a second.

import type { Output } from "../output.ts";
import type { Transfer } from "./transfer.ts";

const REFRESH_MS = 1_000;
/** What is over sooner is not worth a line. */
const LONG_MS = 2_000;
const SHOWN_MAX = 3;
/** How many are looked at; the rest is only counted. */
const WATCHED_MAX = 1_000;
/** Back to the line's beginning, and erase to its end. */
const ERASE = "\r\u001b[K";

export class StatusLine implements Disposable {
  readonly #open: ReadonlySet<Transfer>;
  readonly #output: Output;
  readonly #timer: NodeJS.Timeout | null;
  #before = new Map<Transfer, number>();
  #isShown = false;

  /** Watches `open`, oldest first, where standard error is a terminal. */
  constructor(open: ReadonlySet<Transfer>, output: Output, isTerminal = process.stderr.isTTY) {
    this.#open = open;
    this.#output = output;
    this.#timer = isTerminal ? setInterval(() => this.#refresh(), REFRESH_MS).unref() : null;
  }

  /** To be called before another line is written. */
  clear(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#output.writeError(ERASE);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.clear();
  }

  #refresh(): void {
    const text = this.#text();
    if (text === null) return this.clear();
    this.#isShown = true;
    this.#output.writeError(`${ERASE}${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  #text(): string | null {
    const now = performance.now();
    const after = new Map<Transfer, number>();
    const shown: string[] = [];
    for (const transfer of this.#open) {
      if (after.size === WATCHED_MAX || now - transfer.startedAt < LONG_MS) break;
      after.set(transfer, transfer.bytes);
      if (shown.length === SHOWN_MAX) continue;
      const rate = (transfer.bytes - (this.#before.get(transfer) ?? 0)) / (REFRESH_MS / 1000);
      const seconds = Math.floor((now - transfer.startedAt) / 1000);
      shown.push(`${transfer.name} ${seconds} s ${amount(transfer.bytes)} ${amount(rate)}/s`);
    }
    this.#before = after;
    return shown.length === 0 ? null : `${this.#open.size} open: ${shown.join(" | ")}`;
  }
}

/** Such as `1.5 MiB`. */
export function amount(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${unit === 0 ? Math.round(bytes) : (bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
}
