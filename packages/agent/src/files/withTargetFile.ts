// Opens a file or directory of the target for the agent itself, for one piece of work. Sessions open by `openFile.ts`.

import { type PoolShare, ThreadPool } from "../task/threadPool.ts";
import { onFileSystemOf } from "./poolCalls.ts";
import * as poolCalls from "./poolCalls.ts";
import { TargetPaths, type Walker } from "./targetPaths.ts";

export interface TargetFileOptions {
  /** Default: a pool that nobody else uses. */
  readonly threads?: ThreadPool;
  /** Default `kernel`. */
  readonly walker?: Walker;
}

/**
 * Closes it afterwards.
 *
 * @param rootFd descriptor of the target's root, which the path cannot leave; stays the caller's.
 * @param flags of open(2).
 * @throws the error of opening, and what `work` throws.
 */
export async function withTargetFile<T>(
  rootFd: number,
  path: string,
  flags: number,
  { threads = new ThreadPool(), walker = "kernel" }: TargetFileOptions = {},
  work: (fd: number, pool: PoolShare) => Promise<T>,
): Promise<T> {
  const pool = threads.share();
  const fd = await new TargetPaths(rootFd, { pool, walker }).open("root", path, flags, 0);
  try {
    return await work(fd, pool);
  } finally {
    await onFileSystemOf(pool, fd, () => poolCalls.close(fd));
  }
}
