// Names in a directory of the target, for the agent itself. Sessions list by `files.ts`.

import { readdir } from "node:fs/promises";
import { O_DIRECTORY, O_RDONLY } from "@understudy/native";
import { onFileSystemOf } from "./poolCalls.ts";
import { type TargetFileOptions, withTargetFile } from "./withTargetFile.ts";

/**
 * All names but `.` and `..`, in no order.
 *
 * @param rootFd descriptor of the target's root, which the path cannot leave; stays the caller's.
 * @throws an error with an errno: ENOTDIR for what is no directory.
 */
export async function listTargetDirectory(rootFd: number, path: string, options?: TargetFileOptions): Promise<readonly string[]> {
  return await withTargetFile(rootFd, path, O_RDONLY | O_DIRECTORY, options, (fd, pool) =>
    onFileSystemOf(pool, fd, () => readdir(`/proc/self/fd/${fd}`)),
  );
}
