// The agent's side of looking a container up: starts the process that does it (`lookUpChild.ts`), asks as often as needed, and ends it. Neither uses
// the thread pool nor opens a network socket here, so that it may run before the target's network namespace is entered.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { ContainerFinding } from "./findContainer.ts";

export interface ContainerLookUpOptions {
  readonly containerId: string;
  readonly runtime: string;
  readonly hostRoot: string;
  /** Ends it, and every question. */
  readonly signal: AbortSignal;
  /** Time for one answer, in ms. Default 10,000: more than the child's own limits take. */
  readonly answerTimeoutMs?: number;
}

export class ContainerLookUp implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #signal: AbortSignal;
  readonly #answerTimeoutMs: number;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  constructor({ containerId, runtime, hostRoot, signal, answerTimeoutMs = 10_000 }: ContainerLookUpOptions) {
    this.#signal = signal;
    this.#answerTimeoutMs = answerTimeoutMs;
    // From sources in development, compiled otherwise.
    const program = fileURLToPath(new URL(`lookUpChild${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));
    this.#child = spawn(execPath, [program, containerId, runtime, hostRoot], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.on("error", (error) => (this.#errors += String(error)));
    this.#child.stdin.on("error", () => undefined);
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#errors = (this.#errors + text).slice(0, 2000)));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** One at a time. @throws when the child gives no answer. */
  async ask(): Promise<ContainerFinding> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(this.#answerTimeoutMs)]);
    signal.throwIfAborted();
    const given = new AbortController();
    const aborted = once(signal, "abort", { signal: given.signal }).then(() => Promise.reject(signal.reason as Error));
    try {
      this.#child.stdin.write("\n");
      const line = await Promise.race([this.#lines.next(), aborted]);
      if (line.done === true) throw new Error(`the look-up ended without an answer: ${this.#errors.trim()}`);
      return JSON.parse(line.value) as ContainerFinding;
    } finally {
      given.abort();
      aborted.catch(() => undefined);
    }
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
    this.#child.kill("SIGKILL");
  }
}
