// Facts about one file by statx(2) (Linux 4.11). Unlike the `fstat` of Node it can be told to ask no network (which makes it safe on
// the event loop), names the mount, works on O_PATH descriptors of any kernel, and makes bigints only where they are needed.

import { cString, type Path } from "./cString.ts";
import { systemCall } from "./systemCall.ts";

/** statx: answer with what this machine knows already; a network file system is not asked. */
export const AT_STATX_DONT_SYNC = 0x4000;
/** Do not mount what an automounter would mount there. stat(2) never does. */
const AT_NO_AUTOMOUNT = 0x800;

/** Type bits of `mode` and what they may be (inode(7)). */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** A moment since 1970; nanoseconds are those within the second. */
export interface FileMoment {
  readonly seconds: number | bigint;
  readonly nanoseconds: number;
}

/** As `struct stat`. Numbers are bigints only above 2^53 - 1. */
export interface FileStatus {
  /** Device of the file system, as `st_dev`. */
  readonly device: number;
  readonly inode: number | bigint;
  /** Type and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly user: number;
  readonly group: number;
  /** Device that a device file stands for, as `st_rdev`. */
  readonly specialDevice: number;
  /** In bytes. */
  readonly size: number | bigint;
  readonly accessed: FileMoment;
  readonly modified: FileMoment;
  readonly changed: FileMoment;
  /** Preferred size of a transfer, in bytes. */
  readonly blockSize: number;
  /** Units of 512 bytes. */
  readonly blocks: number | bigint;
  /** The mount that the file was reached by; 0 before Linux 5.8. */
  readonly mount: number | bigint;
}

const structSize = 256;
const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const wanted = STATX_BASIC_STATS | STATX_MNT_ID;
const call = systemCall("statx", "int statx(int dirFd, const void *path, int flags, unsigned int mask, void *status)");

/**
 * Status of a file, on the calling thread. Use it with {@link AT_STATX_DONT_SYNC}, or where the file system is known to be one of
 * this machine.
 *
 * @param path relative to `dirFd`; empty with AT_EMPTY_PATH for `dirFd` itself, also when that is O_PATH.
 * @param flags AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, {@link AT_STATX_DONT_SYNC}.
 * @throws SystemCallError ENOENT, EACCES and so on, as stat(2).
 */
export function statxSync(dirFd: number, path: Path, flags: number): FileStatus {
  const status = Buffer.allocUnsafe(structSize);
  call.sync(dirFd, cString(path, "statx"), flags | AT_NO_AUTOMOUNT, wanted, status);
  return parse(status);
}

/** The same in libuv's pool. */
export async function statx(dirFd: number, path: Path, flags: number): Promise<FileStatus> {
  const status = Buffer.allocUnsafe(structSize);
  await call.async(dirFd, cString(path, "statx"), flags | AT_NO_AUTOMOUNT, wanted, status);
  return parse(status);
}

function parse(bytes: Buffer): FileStatus {
  return {
    device: deviceNumber(bytes, 136),
    inode: readUint64(bytes, 32),
    mode: bytes.readUInt16LE(28),
    links: bytes.readUInt32LE(16),
    user: bytes.readUInt32LE(20),
    group: bytes.readUInt32LE(24),
    specialDevice: deviceNumber(bytes, 128),
    size: readUint64(bytes, 40),
    accessed: readMoment(bytes, 64),
    modified: readMoment(bytes, 112),
    changed: readMoment(bytes, 96),
    blockSize: bytes.readUInt32LE(4),
    blocks: readUint64(bytes, 48),
    mount: (bytes.readUInt32LE(0) & STATX_MNT_ID) === 0 ? 0 : readUint64(bytes, 144),
  };
}

/** Major and minor number in the one number of `st_dev`; the kernel gives 12 and 20 bits. */
function deviceNumber(bytes: Buffer, offset: number): number {
  const major = bytes.readUInt32LE(offset);
  const minor = bytes.readUInt32LE(offset + 4);
  return (minor & 0xff) + (major & 0xfff) * 2 ** 8 + (minor >>> 8) * 2 ** 20;
}

function readMoment(bytes: Buffer, offset: number): FileMoment {
  const low = bytes.readUInt32LE(offset);
  const high = bytes.readInt32LE(offset + 4);
  const isExact = high >= -(2 ** 21) && high < 2 ** 21;
  return {
    seconds: isExact ? high * 2 ** 32 + low : bytes.readBigInt64LE(offset),
    nanoseconds: bytes.readUInt32LE(offset + 8),
  };
}

function readUint64(bytes: Buffer, offset: number): number | bigint {
  const high = bytes.readUInt32LE(offset + 4);
  if (high < 2 ** 21) return high * 2 ** 32 + bytes.readUInt32LE(offset);
  return bytes.readBigUInt64LE(offset);
}
