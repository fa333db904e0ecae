// One run of the command line `understudy` to its end, with standard output as bytes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** Which agent was used last is neither known nor remembered. */
const noState = { XDG_STATE_HOME: "/proc/none" };

export interface CliRun {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program with its arguments, for a shell or `spawn`. */
export function cliCommand(...args: readonly string[]): [string, ...string[]] {
  return [process.execPath, "--conditions=source", main, ...args];
}

export async function runCli(...args: readonly string[]): Promise<CliRun> {
  return await runProgram(...cliCommand(...args));
}

/** The same with any program, such as a shell that runs the command. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<CliRun> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...noState } });
  const [bytes, stderr, [code]] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, bytes, stdout: bytes.toString(), stderr };
}
