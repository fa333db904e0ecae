// Opening files by openat2(2) (Linux 5.6): a path is resolved by the kernel inside a directory that it cannot leave. The
// descriptors returned are the caller's to close.

import { constants } from "node:fs";
import { cString, type Path } from "./cString.ts";
import { systemCall } from "./systemCall.ts";

export const O_RDONLY = constants.O_RDONLY;
export const O_WRONLY = constants.O_WRONLY;
export const O_RDWR = constants.O_RDWR;
export const O_CREAT = constants.O_CREAT;
export const O_EXCL = constants.O_EXCL;
export const O_NOCTTY = constants.O_NOCTTY;
export const O_TRUNC = constants.O_TRUNC;
export const O_APPEND = constants.O_APPEND;
export const O_NONBLOCK = constants.O_NONBLOCK;
export const O_DIRECTORY = constants.O_DIRECTORY;
export const O_NOFOLLOW = constants.O_NOFOLLOW;
/** Names a file without opening it: never waits, needs no right to the file itself. Not in `node:fs`. */
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;

/** `dirFd` that stands for the current directory. */
export const AT_FDCWD = -100;

/** Fail with EXDEV where the path crosses a mount point. */
export const RESOLVE_NO_XDEV = 0x01;
/** Fail with ELOOP at links such as `/proc/self/fd/1`. */
export const RESOLVE_NO_MAGICLINKS = 0x02;
/** Fail with ELOOP at any symbolic link. */
export const RESOLVE_NO_SYMLINKS = 0x04;
/** Fail with EXDEV where the path leaves `dirFd`, even for a moment. */
export const RESOLVE_BENEATH = 0x08;
/** Take `dirFd` as the root of absolute paths, absolute links and "..". */
export const RESOLVE_IN_ROOT = 0x10;
/** Fail with EAGAIN unless all of the path is in the kernel's cache: nothing can wait for a disk or a network (Linux 5.12). */
export const RESOLVE_CACHED = 0x20;

const SYS_openat2 = 437;
const openHowSize = 24;
const call = systemCall("openat2", "int64_t syscall(int64_t number, int64_t dirFd, const void *path, const void *how, int64_t size)");

function openHow(flags: number, mode: number, resolve: number): Buffer {
  // Words of 64 bits, of which none needs more than 32: written so, they take a fraction of the time that bigints take.
  const how = Buffer.allocUnsafe(openHowSize).fill(0);
  how.writeUInt32LE(flags | O_CLOEXEC, 0);
  how.writeUInt32LE(mode, 8);
  how.writeUInt32LE(resolve, 16);
  return how;
}

/**
 * Opens a file on the calling thread. Use it where it cannot wait: with {@link RESOLVE_CACHED}, or before serving.
 *
 * @param flags O_* flags; {@link O_CLOEXEC} is always added. The kernel refuses unknown ones with EINVAL.
 * @param mode permissions of a new file; must be 0 without {@link O_CREAT} (EINVAL).
 * @param resolve RESOLVE_* flags.
 * @returns a new descriptor.
 * @throws SystemCallError as openat2(2): EAGAIN also when a ".." raced with a rename under {@link RESOLVE_IN_ROOT} (try again
 *   a few times), EXDEV at a magic link under it, ENOSYS before Linux 5.6.
 */
export function openat2Sync(dirFd: number, path: Path, flags: number, mode: number, resolve: number): number {
  return call.sync(SYS_openat2, dirFd, cString(path, "openat2"), openHow(flags, mode, resolve), openHowSize);
}

/**
 * The same in libuv's pool. Without {@link O_PATH} or {@link O_NONBLOCK}, opening a FIFO waits for its other end and
 * keeps the pool's thread meanwhile.
 */
export async function openat2(dirFd: number, path: Path, flags: number, mode: number, resolve: number): Promise<number> {
  return await call.async(SYS_openat2, dirFd, cString(path, "openat2"), openHow(flags, mode, resolve), openHowSize);
}
