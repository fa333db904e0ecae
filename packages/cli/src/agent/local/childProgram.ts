// A program that a command starts and ends: in a process group of its own, so that Ctrl-C reaches the command alone, and told by the kernel to end when the
// command is killed.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { searchPath } from "../../searchPath.ts";

/** Lines that are kept to explain a failure. */
const KEPT_LINES = 10;

export interface ChildProgramOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The only group of the program; that of this process without it. */
  readonly group?: number;
  /** How long it may take to leave before it is killed, in ms. */
  readonly leaveMaxMs: number;
  readonly onLine?: (line: string) => void;
}

/** Disposing it ends the program, and what is left in its process group. */
export class ChildProgram implements AsyncDisposable {
  /** Resolves, never rejects, with how it ended. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #leaveMaxMs: number;
  readonly #lines: string[] = [];
  #onLine: (line: string) => void;

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>, { leaveMaxMs, onLine }: ChildProgramOptions) {
    this.#child = child;
    this.#leaveMaxMs = leaveMaxMs;
    this.#onLine = onLine ?? (() => undefined);
    // It may be gone; its end is told by `ended`.
    child.stdin.on("error", () => undefined);
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", (line) => this.#take(line));
    this.ended = once(child, "close").then(([code, signal]) => (signal as string | null) ?? `exit code ${String(code)}`);
  }

  /** @throws Error when it cannot be started. */
  static async start(command: readonly string[], options: ChildProgramOptions): Promise<ChildProgram> {
    const { env, group } = options;
    // setpriv(1): the kernel's word to a child whose parent died stays with the programs that this one becomes.
    const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", ...command], {
      detached: true,
      env: { ...env, PATH: searchPath },
      stdio: ["pipe", "pipe", "pipe"],
      ...(group === undefined ? {} : { gid: group }),
    });
    try {
      await once(child, "spawn");
    } catch (error) {
      throw new Error("the program setpriv cannot be run: install util-linux", { cause: error });
    }
    return new ChildProgram(child, options);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it wrote last, on either output. */
  get lastLines(): string {
    return this.#lines.join("\n");
  }

  /** Resolves with the first line that matches, from the call on. @throws Error when the program ends instead; the reason of `signal`. */
  async line(matches: (line: string) => boolean, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const before = this.#onLine;
    this.#onLine = (line) => {
      before(line);
      if (matches(line)) resolve(line);
    };
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    void this.ended.then((how) => reject(new Error([`it ended with ${how}`, ...this.#lines].join("\n"))));
    try {
      return await promise;
    } finally {
      this.#onLine = before;
      signal.removeEventListener("abort", onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const late = setTimeout(() => this.#kill(), this.#leaveMaxMs);
    this.#child.stdin.end();
    this.#child.kill("SIGTERM");
    await this.ended;
    clearTimeout(late);
  }

  #kill(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // The group has just ended.
    }
  }

  #take(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    this.#onLine(line);
  }
}
