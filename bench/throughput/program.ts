// A program of this folder, or the command `understudy`, as a process that says what others need to know of it.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const understudyCommand = fileURLToPath(new URL("../../bin/understudy", import.meta.url));

export class Program implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves with what `pattern` captures in the first line that it matches. */
  static async start(file: string, args: readonly string[], pattern: RegExp): Promise<[Program, string]> {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout })) {
      const found = pattern.exec(line);
      if (found === null) continue;
      child.stdout.resume();
      return [new Program(child), found[1] ?? ""];
    }
    throw new Error(`${file} ${args.join(" ")} ended early`);
  }

  /** Starts a program of this folder. Resolves with what it printed. */
  static async here<T>(name: string, argument: string): Promise<[Program, T]> {
    const file = fileURLToPath(new URL(name, import.meta.url));
    const [program, text] = await Program.start(process.execPath, ["--conditions=source", file, argument], /^ready (.*)/);
    return [program, JSON.parse(text) as T];
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
