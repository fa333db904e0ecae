// Runs the command line as a user does: in a process of its own.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Where nothing can be kept: which agent was used last is neither known nor remembered. */
const noState = { XDG_STATE_HOME: "/proc/none" };

/** A command that runs; the caller waits for its end. */
export function startCommand(...args: readonly string[]): ChildProcessWithoutNullStreams {
  return startCommandIn({}, ...args);
}

/** The same, elsewhere than in this process's own directory, or with more variables. */
export function startCommandIn(
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
  ...args: readonly string[]
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, ["--conditions=source", main, ...args], { cwd, env: { ...process.env, ...noState, ...env } });
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function finished(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  const [[code], stdout, stderr] = await Promise.all([
    once(child, "exit") as Promise<[number | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}

/** Runs a command to its end, with `input` on its standard input. */
export async function runCommand(args: readonly string[], input: Uint8Array = new Uint8Array(0)): Promise<Finished> {
  const child = startCommand(...args);
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return await finished(child);
}
