// How far the copying of files is: a bar on a terminal, a line now and then elsewhere, both on standard error.

import cliProgress from "cli-progress";
import { byteText } from "./byteText.ts";
import type { Output } from "./output.ts";

const LINE_INTERVAL_MS = 5_000;

/** What is known so far; the total grows while files are found. */
interface Amounts {
  readonly done: number;
  readonly total: number;
  readonly files: number;
  /** Bytes a second since the beginning. */
  readonly rate: number;
}

/** Where it is shown. */
interface Display {
  update(amounts: Amounts): void;
  note(text: string): void;
  end(): void;
}

export class Progress implements Disposable {
  readonly #output: Output;
  readonly #display: Display;
  readonly #startedAt = performance.now();
  #total = 0;
  #done = 0;
  /** Bytes that were there before and say nothing of the rate. */
  #skipped = 0;
  #files = 0;

  constructor(output: Output) {
    this.#output = output;
    this.#display = process.stderr.isTTY ? barDisplay() : lineDisplay(output, LINE_INTERVAL_MS);
  }

  /** A file of so many bytes was found. */
  expect(bytes: number): void {
    this.#total += bytes;
    this.#update();
  }

  /** So many bytes of it need no copying. */
  skip(bytes: number): void {
    this.#skipped += bytes;
    this.advance(bytes);
  }

  advance(bytes: number): void {
    this.#done += bytes;
    this.#update();
  }

  fileDone(): void {
    this.#files += 1;
    this.#update();
  }

  /** Says something without disturbing the bar. */
  note(text: string): void {
    this.#display.note(text);
  }

  /** Ends the display and says how much was copied. */
  summary(): void {
    this.#display.end();
    const { files, rate } = this.#amounts();
    const copied = this.#done - this.#skipped;
    const skipped = this.#skipped === 0 ? "" : `, ${byteText(this.#skipped)} were there already`;
    this.#output.note(`${files} ${files === 1 ? "file" : "files"} copied, ${byteText(copied)} at ${byteText(rate)}/s${skipped}`);
  }

  [Symbol.dispose](): void {
    this.#display.end();
  }

  #update(): void {
    this.#display.update(this.#amounts());
  }

  #amounts(): Amounts {
    const seconds = Math.max((performance.now() - this.#startedAt) / 1000, 0.001);
    // A file may grow while it is copied.
    const total = Math.max(this.#total, this.#done);
    return { done: this.#done, total, files: this.#files, rate: (this.#done - this.#skipped) / seconds };
  }
}

/** Text such as `12 s left`; empty where nothing is known. */
export function timeLeftText({ done, total, rate }: Pick<Amounts, "done" | "total" | "rate">): string {
  if (rate <= 0 || done >= total) return "";
  const seconds = Math.ceil((total - done) / rate);
  if (seconds < 120) return `${seconds} s left`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min left` : `${Math.round(seconds / 3600)} h left`;
}

function barDisplay(): Display {
  const bars = new cliProgress.MultiBar({
    stream: process.stderr,
    format: "{bar} {percentage}%  {amount}  {files}  {speed}  {left}",
    hideCursor: false,
    clearOnComplete: true,
    gracefulExit: false,
    emptyOnZero: true,
    barsize: 24,
  });
  const payload = (amounts: Amounts): object => ({
    amount: `${byteText(amounts.done)} of ${byteText(amounts.total)}`,
    files: `${amounts.files} files`,
    speed: `${byteText(amounts.rate)}/s`,
    left: timeLeftText(amounts),
  });
  const bar = bars.create(0, 0, payload({ done: 0, total: 0, files: 0, rate: 0 }));
  return {
    update: (amounts) => {
      bar.setTotal(amounts.total);
      bar.update(amounts.done, payload(amounts));
    },
    note: (text) => bars.log(`understudy: ${text}\n`),
    end: () => bars.stop(),
  };
}

function lineDisplay(output: Output, intervalMs: number): Display {
  let shownAt = performance.now();
  return {
    update: (amounts) => {
      if (performance.now() - shownAt < intervalMs) return;
      shownAt = performance.now();
      const parts = [`${byteText(amounts.done)} of ${byteText(amounts.total)}`, `${byteText(amounts.rate)}/s`, timeLeftText(amounts)];
      output.note(parts.filter((part) => part !== "").join(", "));
    },
    note: (text) => output.note(text),
    end: () => undefined,
  };
}
