// Keeps clients from the memory, environment and other procfs contents of the agent's own process, by which one session could read or
// change the others. The agent is visible where its pid namespace is: without a target, in ephemeral containers, and in targets that mount
// the node's procfs. Only contents are refused; listing and status are not. Child processes of the agent are not covered.

import { ESRCH, O_DIRECTORY, O_RDONLY, readlinkat } from "@understudy/native";
import type { PoolShare } from "../task/threadPool.ts";
import { ENOENT, ENOTDIR, errnoOf, EXDEV } from "./errnos.ts";
import { closeInstantly } from "./instantCalls.ts";
import { onFileSystemOf } from "./poolCalls.ts";
import * as poolCalls from "./poolCalls.ts";
import type { TargetPaths } from "./targetPaths.ts";

const harmless: ReadonlySet<number | null> = new Set([ENOENT, ENOTDIR, EXDEV, ESRCH]);

/** Enough for the lines of /proc/<pid>/status before "Tgid". */
const statusBytes = 512;

/**
 * Whether an open file of procfs belongs to the process that this code runs in.
 *
 * @param fd the file; it stays the caller's.
 */
export async function isOwnProcessFile(paths: TargetPaths, pool: PoolShare, fd: number): Promise<boolean> {
  const path = paths.placeText(fd);
  if (path === null) return false;
  // ".../<pid>/..." below the mount; what comes before may be numeric, too, so every place is looked at.
  for (const match of path.matchAll(/\/(\d+)(?=\/)/g)) {
    const directory = `${path.slice(0, match.index)}/`;
    if (await isOwnPid(paths, pool, directory, match[1] ?? "")) return true;
  }
  return false;
}

/** Ids of threads have directories as well: the process is that of their status. */
async function isOwnPid(paths: TargetPaths, pool: PoolShare, directory: string, id: string): Promise<boolean> {
  try {
    const directoryFd = await paths.locate("root", directory, "follow", O_DIRECTORY);
    try {
      const own = (await onFileSystemOf(pool, directoryFd, () => readlinkat(directoryFd, "self"))).toString("latin1");
      return own === id || own === (await processOf(paths, pool, directoryFd, id));
    } finally {
      closeInstantly(directoryFd);
    }
  } catch (error) {
    // No procfs that shows this process, or a process that has ended. Any other failure is no reason to let somebody in.
    return !harmless.has(errnoOf(error));
  }
}

async function processOf(paths: TargetPaths, pool: PoolShare, procFd: number, id: string): Promise<string | undefined> {
  const fd = await paths.open(procFd, `${id}/status`, O_RDONLY, 0);
  try {
    const buffer = Buffer.alloc(statusBytes);
    const count = await onFileSystemOf(pool, fd, () => poolCalls.readOnce(fd, buffer, 0));
    return /^Tgid:\t(\d+)$/m.exec(buffer.toString("latin1", 0, count))?.[1];
  } finally {
    await onFileSystemOf(pool, fd, () => poolCalls.close(fd));
  }
}
