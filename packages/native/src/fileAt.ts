// Work on a name inside a directory that is held by descriptor, or on an O_PATH descriptor itself. All of it runs in
// libuv's pool. What `node:fs` does by descriptor (fchmod, fchown, ftruncate) is not repeated here.
//
// The kernel follows links and ".." in the names given as anywhere else: to stay inside a directory, pass a single last
// component and a descriptor from `openat2`.

import { cString, type Path } from "./cString.ts";
import { AT_FDCWD } from "./openat2.ts";
import { systemCall } from "./systemCall.ts";

/** faccessat2: check the effective ids of the process, with its capabilities, as open(2) would; not the real ones. */
export const AT_EACCESS = 0x200;
/** unlinkat: remove a directory, as rmdir(2). The kernel gives this and the flag above the same number. */
export const AT_REMOVEDIR = 0x200;
/** Do not follow a link at the end of the path. */
export const AT_SYMLINK_NOFOLLOW = 0x100;
/** With an empty path: act on the descriptor itself, which may be O_PATH. */
export const AT_EMPTY_PATH = 0x1000;

/** renameat2: fail with EEXIST instead of replacing. */
export const RENAME_NOREPLACE = 1;
/** renameat2: swap the two. */
export const RENAME_EXCHANGE = 2;

const SYS_faccessat2 = 439;
const faccessat2Call = systemCall(
  "faccessat2",
  "int64_t syscall(int64_t number, int64_t dirFd, const void *path, int64_t mode, int64_t flags)",
);
const faccessatCall = systemCall("faccessat", "int faccessat(int dirFd, const void *path, int mode, int flags)");
const readlinkatCall = systemCall("readlinkat", "int64_t readlinkat(int dirFd, const void *path, void *buffer, size_t size)");
const unlinkatCall = systemCall("unlinkat", "int unlinkat(int dirFd, const void *path, int flags)");
const mkdiratCall = systemCall("mkdirat", "int mkdirat(int dirFd, const void *path, uint32_t mode)");
const renameat2Call = systemCall(
  "renameat2",
  "int renameat2(int oldDirFd, const void *oldPath, int newDirFd, const void *newPath, unsigned int flags)",
);

/**
 * Whether the process may use a file, by faccessat2(2) (Linux 5.8).
 *
 * @param path relative to `dirFd`; empty with {@link AT_EMPTY_PATH} to ask about `dirFd` itself, also when that is O_PATH.
 * @param mode bits of R_OK (4), W_OK (2), X_OK (1), or F_OK (0).
 * @param flags {@link AT_EACCESS}, {@link AT_EMPTY_PATH}, {@link AT_SYMLINK_NOFOLLOW}.
 * @throws SystemCallError EACCES when it may not, EROFS for writing on a read-only mount, ENOSYS before Linux 5.8.
 */
export async function faccessat2(dirFd: number, path: Path, mode: number, flags: number): Promise<void> {
  await faccessat2Call.async(SYS_faccessat2, dirFd, cString(path, "faccessat2"), mode, flags);
}

/**
 * Whether the process may use a file, by access(2), which every kernel has. It checks the real ids; without set-user-id they are the
 * effective ones.
 *
 * @param path followed as by any call; `/proc/self/fd/N` asks about an open descriptor, also when that is O_PATH.
 */
export async function access(path: Path, mode: number): Promise<void> {
  await faccessatCall.async(AT_FDCWD, cString(path, "access"), mode, 0);
}

/** Longest link text that the kernel stores (PATH_MAX). */
const linkMaxBytes = 4096;

/**
 * The text of a symbolic link, as bytes of its own.
 *
 * @param path relative to `dirFd`; empty when `dirFd` is the link itself, opened with O_PATH and O_NOFOLLOW.
 * @throws SystemCallError EINVAL when it is no link (ENOENT with an empty path), ENOENT, EACCES.
 */
export async function readlinkat(dirFd: number, path: Path): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(linkMaxBytes);
  const length = await readlinkatCall.async(dirFd, cString(path, "readlinkat"), buffer, linkMaxBytes);
  return Buffer.from(buffer.subarray(0, length));
}

/**
 * Removes a name.
 *
 * @param flags {@link AT_REMOVEDIR} for a directory, else 0.
 * @throws SystemCallError ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EACCES, EROFS.
 */
export async function unlinkat(dirFd: number, path: Path, flags: number): Promise<void> {
  await unlinkatCall.async(dirFd, cString(path, "unlinkat"), flags);
}

/**
 * Makes a directory; the umask of the process takes bits away from `mode`.
 *
 * @throws SystemCallError EEXIST, ENOENT, EACCES, EROFS.
 */
export async function mkdirat(dirFd: number, path: Path, mode: number): Promise<void> {
  await mkdiratCall.async(dirFd, cString(path, "mkdirat"), mode);
}

/**
 * Renames, within one mount.
 *
 * @param flags {@link RENAME_NOREPLACE} or {@link RENAME_EXCHANGE}, else 0.
 * @throws SystemCallError EXDEV between mounts, EEXIST, ENOENT, ENOTEMPTY, EINVAL for flags that the file system lacks.
 */
export async function renameat2(oldDirFd: number, oldPath: Path, newDirFd: number, newPath: Path, flags: number): Promise<void> {
  await renameat2Call.async(oldDirFd, cString(oldPath, "renameat2"), newDirFd, cString(newPath, "renameat2"), flags);
}
