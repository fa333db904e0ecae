// Starts the part of a pod's target that speaks HTTP/2, `http2Target.ts`.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Pod } from "./pod.ts";

/** It listens on return. */
export async function serveHttp2(pod: Pod): Promise<AsyncDisposable> {
  const program = fileURLToPath(new URL("http2Target.ts", import.meta.url));
  const child = spawn("nsenter", ["--target", String(pod.pid), "--net", "--", process.execPath, "--conditions=source", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, "exit");
      child.stdin.end();
      await exited;
    },
  };
}
