// One build at a time in a folder: what it keeps there for the next one is changed meanwhile. The lock is of a child, flock(1), which ends with this process, however
// that ends.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { toolError } from "./tool.ts";

/** Waits for the folder. Disposing gives it free. */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const holder = spawn("flock", [join(folder, "lock"), "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(holder, "exit").catch((error: unknown) => Promise.reject(toolError("flock", error)));
  await Promise.race([
    once(holder.stdout, "data"),
    exited.then(([code]) => Promise.reject(toolError("flock", `it ended with ${String(code)}`))),
  ]);
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      holder.stdin.end();
      await exited;
    },
  };
}
