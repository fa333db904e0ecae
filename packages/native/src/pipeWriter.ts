// Whether anybody has a pipe open for writing. The kernel tells a reader only by what a read returns, and a read takes the data away;
// tee(2) gives the same answer and leaves them.

import { closeSync } from "node:fs";
import { EAGAIN } from "./errno.ts";
import { O_CLOEXEC, O_NONBLOCK } from "./openat2.ts";
import { SystemCallError, systemCall } from "./systemCall.ts";

const SPLICE_F_NONBLOCK = 2;
const pipe2Call = systemCall("pipe2", "int pipe2(void *fds, int flags)");
const teeCall = systemCall("tee", "int64_t tee(int fromFd, int toFd, size_t length, unsigned int flags)");

/**
 * Whether a pipe has a writer, or data that one left behind. Does not wait; runs in libuv's pool, since whoever else uses the pipe may
 * hold its lock.
 *
 * @param fd reading end of a pipe or FIFO; it stays the caller's.
 * @throws SystemCallError EINVAL when it is no pipe, EMFILE.
 */
export async function pipeHasWriter(fd: number): Promise<boolean> {
  const ends = Buffer.alloc(8);
  pipe2Call.sync(ends, O_CLOEXEC | O_NONBLOCK);
  try {
    return (await teeCall.async(fd, ends.readInt32LE(4), 1, SPLICE_F_NONBLOCK)) > 0;
  } catch (error) {
    // Empty, but with a writer: without one the answer is an end of file, 0.
    if (error instanceof SystemCallError && error.errno === EAGAIN) return true;
    throw error;
  } finally {
    closeSync(ends.readInt32LE(0));
    closeSync(ends.readInt32LE(4));
  }
}
