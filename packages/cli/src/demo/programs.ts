// The programs that the demo runs: short ones to their end, and those that stay. Each has its own process group, so that Ctrl-C
// reaches the demo alone and the order of the end is the demo's.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { searchPath } from "../searchPath.ts";

const RUN_MAX_MS = 5_000;
/** How long a program may take to leave before it is killed. */
const LEAVE_MAX_MS = 2_000;
/** Lines that are kept to explain a failure. */
const KEPT_LINES = 20;

/**
 * Runs a program to its end; gives what it wrote to standard output.
 * @throws Error with the command and what it wrote to standard error.
 */
export async function run(command: string, ...args: readonly string[]): Promise<string> {
  return await runWith({ PATH: searchPath }, command, ...args);
}

/** The same with another environment, which is all that the program gets. */
export async function runWith(env: Readonly<Record<string, string>>, command: string, ...args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { detached: true, env, timeout: RUN_MAX_MS });
  child.stdin.end();
  const end = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const [[code, signal], stdout, stderr] = await Promise.all([end, text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim() || `ended with ${signal ?? `exit code ${code}`}`}`);
  return stdout;
}

/** Waits for a result, or rejects with the reason of `signal`. */
export async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

export interface StartOptions {
  /** All of its environment; programs are looked for on its PATH. */
  readonly env: Readonly<Record<string, string>>;
  /** The only group of the program and of what it starts. */
  readonly group: number;
}

/** A program that stays. Its owner ends it. */
export class Program {
  /** Resolves, never rejects, with how it ended. */
  readonly ended: Promise<string>;
  readonly pid: number;
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: string[] = [];
  #onLine: ((line: string) => void) | null = null;

  private constructor(name: string, child: ChildProcessWithoutNullStreams) {
    this.#name = name;
    this.#child = child;
    this.pid = child.pid ?? 0;
    // Writing to a program that is gone; its end is told by `ended`.
    child.stdin.on("error", () => undefined);
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", (line) => this.#take(line));
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  /** `name` is for the user. Rejects when the program cannot be started. */
  static async start(name: string, [command, ...args]: readonly [string, ...string[]], { env, group }: StartOptions): Promise<Program> {
    // Without root's other groups, too.
    const child = spawn(command, args, { detached: true, env, gid: group });
    const program = new Program(name, child);
    await once(child, "spawn");
    return program;
  }

  /**
   * Resolves with the next line that contains `part`; ask for one at a time, before it can come.
   * @throws Error when the program ends instead, with its last lines; the reason of `signal`.
   */
  async line(part: string, signal: AbortSignal): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#onLine = (line) => {
      if (line.includes(part)) resolve(line);
    };
    void this.ended.then((how) => reject(new Error([`${this.#name} ended with ${how}`, ...this.#lines].join("\n  "))));
    try {
      return await unlessAborted(promise, signal);
    } finally {
      this.#onLine = null;
    }
  }

  /** Writes a line to its standard input. */
  send(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Closes its standard input, which programs here take as the end, and waits. Kills it when it does not leave. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LEAVE_MAX_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #take(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    this.#onLine?.(line);
  }
}
