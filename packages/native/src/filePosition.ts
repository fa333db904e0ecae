// The position of an open file, which Node cannot move. Reading and writing at it is `fs.read` and `fs.write` without a position.

import { systemCall } from "./systemCall.ts";

/** lseek: from the start, from the position, from the end. */
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;

const call = systemCall("lseek", "int64_t lseek(int fd, int64_t offset, int whence)");

/**
 * Moves the position of an open file (lseek(2)), on the calling thread: only for regular files of a file system of this machine, where
 * nothing can wait.
 *
 * @param offset within the range of a signed 64-bit integer.
 * @returns the new position; inexact above 2^53.
 * @throws SystemCallError EINVAL where the position would be negative or beyond what the file system can hold, ESPIPE for a FIFO,
 *   socket or terminal, EBADF for O_PATH.
 */
export function lseekSync(fd: number, offset: number | bigint, whence: number): number {
  return call.sync(fd, offset, whence);
}

/** The same in libuv's pool. */
export async function lseek(fd: number, offset: number | bigint, whence: number): Promise<number> {
  return await call.async(fd, offset, whence);
}
