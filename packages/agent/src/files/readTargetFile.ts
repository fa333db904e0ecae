// Reads the start of a small file of the target for the agent itself, such as its resolv.conf. Sessions read by `files.ts`.

import { O_NONBLOCK, O_RDONLY, S_IFMT, S_IFREG, SystemCallError } from "@understudy/native";
import { EINVAL } from "./errnos.ts";
import { statusAtHand } from "./instantCalls.ts";
import { onFileSystemOf } from "./poolCalls.ts";
import * as poolCalls from "./poolCalls.ts";
import { type TargetFileOptions, withTargetFile } from "./withTargetFile.ts";

/** Buffer for files whose size is not known. */
const leastBytes = 4096;

/**
 * The first bytes of a regular file, at most `maxBytes`.
 *
 * @param rootFd descriptor of the target's root, which the path cannot leave; stays the caller's.
 * @param path from that root.
 * @throws an error with an errno: that of opening or reading, or EINVAL for what is no regular file and could make a reader wait.
 */
export async function readTargetFile(rootFd: number, path: string, maxBytes: number, options?: TargetFileOptions): Promise<Uint8Array> {
  return await withTargetFile(rootFd, path, O_RDONLY | O_NONBLOCK, options, async (fd, pool) => {
    const { mode, size } = statusAtHand(fd);
    if ((mode & S_IFMT) !== S_IFREG) throw new SystemCallError(EINVAL, "read");
    // One byte more than the size, so that the end is seen; files of /proc have a size of 0.
    const buffer = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(Number(size) + 1, leastBytes)));
    let length = 0;
    while (length < buffer.length) {
      const count = await onFileSystemOf(pool, fd, () => poolCalls.readOnce(fd, buffer.subarray(length), length));
      if (count === 0) break;
      length += count;
    }
    return buffer.subarray(0, length);
  });
}
