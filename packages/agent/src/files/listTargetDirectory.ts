// Names in a directory of the target, for the agent itself. Sessions list by `files.ts`.

import { readdir } from "node:fs/promises";
import { O_DIRECTORY, O_RDONLY } from "@understudy/native";
import { ThreadPool } from "../task/threadPool.ts";
import { onFileSystemOf } from "./poolCalls.ts";
import * as poolCalls from "./poolCalls.ts";
import type { ReadTargetFileOptions } from "./readTargetFile.ts";
import { TargetPaths } from "./targetPaths.ts";

/**
 * All names but `.` and `..`, in no order.
 *
 * @param rootFd descriptor of the target's root, which the path cannot leave; stays the caller's.
 * @throws an error with an errno: ENOTDIR for what is no directory.
 */
export async function listTargetDirectory(
  rootFd: number,
  path: string,
  { threads = new ThreadPool(), walker = "kernel" }: ReadTargetFileOptions = {},
): Promise<readonly string[]> {
  const pool = threads.share();
  const fd = await new TargetPaths(rootFd, { pool, walker }).open("root", path, O_RDONLY | O_DIRECTORY, 0);
  try {
    return await onFileSystemOf(pool, fd, () => readdir(`/proc/self/fd/${fd}`));
  } finally {
    await onFileSystemOf(pool, fd, () => poolCalls.close(fd));
  }
}
