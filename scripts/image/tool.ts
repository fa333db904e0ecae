// Runs the programs that the image is made with. One that is missing is named together with its Debian package.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Debian packages of the programs that are used. */
const packageOf = { "apt-get": "apt", chmod: "coreutils", "dpkg-deb": "dpkg", flock: "util-linux", npm: "npm", tar: "tar" } as const;

export type Tool = keyof typeof packageOf;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Runs a program to its end and returns what it printed.
 *
 * @throws Error with what it said on standard error.
 */
export async function runTool(tool: Tool, args: readonly string[], { cwd, env = process.env }: RunOptions = {}): Promise<string> {
  try {
    // Messages are read: they must be in English.
    const options = { env: { ...env, LC_ALL: "C" }, maxBuffer: 64 * 1024 * 1024, ...(cwd === undefined ? {} : { cwd }) };
    return (await run(tool, args, options)).stdout;
  } catch (error) {
    throw toolError(tool, error);
  }
}

/** An error of starting or running a program, in words for who wants the image. */
export function toolError(tool: Tool, error: unknown): Error {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    return new Error(`${tool} is missing. Install it with: apt-get install -y --no-install-recommends ${packageOf[tool]}`, {
      cause: error,
    });
  }
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return new Error(`${tool} failed: ${stderr === "" ? String(error) : stderr}`, { cause: error });
}
