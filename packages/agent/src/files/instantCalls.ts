// The system calls of the file domain that run on the event loop, in one place, each with the reason why it cannot wait for a disk or a
// network. Everything else of the domain runs in libuv's pool.

/* oxlint-disable node/no-sync -- this file is the exception, see above */
import { closeSync, openSync, readlinkSync } from "node:fs";
import type { FileStatus, ReadMemory, ReadPart } from "@understudy/native";
import * as native from "@understudy/native";

/**
 * Names a file by an O_PATH descriptor if the kernel can find it in its cache alone; it fails with EAGAIN otherwise (EINVAL before
 * Linux 5.12). O_PATH opens nothing, so no driver, lease or file system server is asked.
 */
export function locateCached(dirFd: number, path: string, flags: number, resolve: number): number {
  return native.openat2Sync(dirFd, path, flags | native.O_PATH, 0, resolve | native.RESOLVE_CACHED);
}

/**
 * What this machine knows of a file without asking a server. For the file systems of this machine that is the whole truth. (9p has no
 * such knowledge and asks its host; it is the one exception known.)
 */
export function statusAtHand(fd: number): FileStatus {
  return native.statxSync(fd, "", native.AT_EMPTY_PATH | native.AT_STATX_DONT_SYNC);
}

/** Closes a descriptor behind which no work waits: O_PATH, or opened only for reading on a file system of this machine. */
export function closeInstantly(fd: number): void {
  closeSync(fd);
}

/**
 * Opens a regular file of a disk or of memory for reading, by its O_PATH descriptor: it is in the kernel's memory, and reading it is what may
 * wait. O_NONBLOCK, so that a lease is EAGAIN. (A disk's file system may have to note at the first open after mounting that it is in use.)
 */
export function reopenInstantly(fd: number, flags: number): number {
  return openSync(`/proc/self/fd/${fd}`, flags | native.O_NONBLOCK);
}

/** Path of a descriptor as the kernel sees it, from the top of its mounts. Read from memory. */
export function descriptorPath(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/** Moves the position of a regular file of this machine: an assignment in the kernel. */
export function seekInstantly(fd: number, offset: number | bigint, whence: number): number {
  return native.lseekSync(fd, offset, whence);
}

/** Position of such a file. */
export function positionOf(fd: number): number {
  return native.lseekSync(fd, 0, native.SEEK_CUR);
}

/**
 * Reads a regular file of a disk from the kernel's page cache alone; what is not there is EAGAIN. Only for a descriptor that leaves the
 * access time alone ({@link keepAccessTime}): writing that could wait for the disk. A program that has the kernel ask it for permission
 * (fanotify) is waited for even so.
 *
 * @returns bytes read, or a negated error number.
 */
export function readCachedInstantly(fd: number, memory: ReadMemory, part: ReadPart): number {
  return native.readCached(fd, memory, part);
}

/** Reads a regular file of tmpfs or ramfs, on a machine without swap: it is in memory, access time included. As {@link readCachedInstantly}. */
export function readMemoryInstantly(fd: number, memory: ReadMemory, part: ReadPart): number {
  return native.readInMemory(fd, memory, part);
}

/** Reads through this descriptor leave the access time alone from now on: a flag in the kernel. False where that is not allowed. */
export function keepAccessTime(fd: number): boolean {
  return native.keepAccessTime(fd);
}
