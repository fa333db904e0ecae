// The system calls of the file domain that run on the event loop, in one place, each with the reason why it cannot wait for a disk or a
// network. Everything else of the domain runs in libuv's pool.

/* oxlint-disable node/no-sync -- this file is the exception, see above */
import { closeSync, readlinkSync } from "node:fs";
import type { FileStatus } from "@understudy/native";
import { AT_EMPTY_PATH, AT_STATX_DONT_SYNC, lseekSync, O_PATH, openat2Sync, RESOLVE_CACHED, SEEK_CUR, statxSync } from "@understudy/native";

/**
 * Names a file by an O_PATH descriptor if the kernel can find it in its cache alone; it fails with EAGAIN otherwise (EINVAL before
 * Linux 5.12). O_PATH opens nothing, so no driver, lease or file system server is asked.
 */
export function locateCached(dirFd: number, path: string, flags: number, resolve: number): number {
  return openat2Sync(dirFd, path, flags | O_PATH, 0, resolve | RESOLVE_CACHED);
}

/**
 * What this machine knows of a file without asking a server. For the file systems of this machine that is the whole truth. (9p has no
 * such knowledge and asks its host; it is the one exception known.)
 */
export function statusAtHand(fd: number): FileStatus {
  return statxSync(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC);
}

/** Closes a descriptor behind which no work waits: O_PATH, or opened only for reading on a file system of this machine. */
export function closeInstantly(fd: number): void {
  closeSync(fd);
}

/** Path of a descriptor as the kernel sees it, from the top of its mounts. Read from memory. */
export function descriptorPath(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/** Moves the position of a regular file of this machine: an assignment in the kernel. */
export function seekInstantly(fd: number, offset: number | bigint, whence: number): number {
  return lseekSync(fd, offset, whence);
}

/** Position of such a file. */
export function positionOf(fd: number): number {
  return lseekSync(fd, 0, SEEK_CUR);
}
