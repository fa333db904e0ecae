// The command line `understudy` as a process of its own, from its sources.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

export interface CommandEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export class RunningCommand implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  #hasEnded = false;
  #stdout = "";
  #stderr = "";
  #onOutput: () => void = () => undefined;

  constructor(args: readonly string[], { env = {}, cwd = process.cwd() }: CommandOptions = {}) {
    this.#child = spawn(process.execPath, ["--conditions=source", main, ...args], { env: { ...process.env, ...env }, cwd });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#onOutput();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#onOutput();
    });
    this.#ended = once(this.#child, "close").then(() => {
      this.#hasEnded = true;
      this.#onOutput();
    });
  }

  get stdin(): ChildProcessWithoutNullStreams["stdin"] {
    return this.#child.stdin;
  }

  /** What it has printed so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Waits for text on either output, which may have come already. */
  async output(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
      if (found !== null) return found;
      await this.#more(pattern);
    }
  }

  async #more(wanted: RegExp): Promise<void> {
    if (this.#hasEnded) throw new Error(`the command ended without ${String(wanted)}:\n${this.#stdout}${this.#stderr}`);
    await new Promise<void>((resolve) => (this.#onOutput = resolve));
  }

  /** Waits for a whole line on either output, which may have come already. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = [...linesOf(this.#stdout), ...linesOf(this.#stderr)].find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await this.#more(pattern);
    }
  }

  /** The port in the first line that says where it listens. */
  async port(): Promise<number> {
    return Number((await this.output(/127\.0\.0\.1:(\d+)/))[1]);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async residentMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  async end(): Promise<CommandEnd> {
    await this.#ended;
    return { code: this.#child.exitCode, signal: this.#child.signalCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** Ends it as Ctrl-C does. */
  async interrupt(): Promise<CommandEnd> {
    this.signal("SIGINT");
    return await this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

function linesOf(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

/** Runs a command to its end. */
export async function understudy(args: readonly string[], options: CommandOptions = {}): Promise<CommandEnd> {
  await using command = new RunningCommand(args, options);
  command.stdin.end();
  return await command.end();
}
