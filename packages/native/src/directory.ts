// Reading directories by descriptor, in pieces whose size the caller chooses. The position in the directory is the
// descriptor's own, so reads of one descriptor must not overlap.

import { systemCall } from "./systemCall.ts";

/** Kinds of a directory entry (`d_type`, dirent.h). File systems that do not know say {@link DT_UNKNOWN}. */
export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;

/** One entry, "." and ".." among them. */
export interface DirectoryEntry {
  /** A bigint only above 2^53 - 1. */
  readonly inode: number | bigint;
  /** One of the DT_* kinds. */
  readonly type: number;
  /** Bytes that are no UTF-8 are replaced by U+FFFD; such an entry cannot be opened by this name. */
  readonly name: string;
}

// struct linux_dirent64 { u64 d_ino; s64 d_off; u16 d_reclen; u8 d_type; char d_name[]; }
const nameOffset = 19;

const call = systemCall("getdents64", "int64_t getdents64(int fd, void *buffer, size_t size)");

/**
 * Reads the next entries of an open directory (getdents64(2)), in libuv's pool.
 *
 * @param fd a directory opened for reading (not O_PATH, which fails with EBADF).
 * @param buffer where the kernel puts the entries; its size bounds how many come at once, 32 KiB is about 1,000. It is free
 *   again when the promise settles. One too small for the next entry gives EINVAL; 280 bytes hold any.
 * @returns an empty list at the end of the directory.
 * @throws SystemCallError ENOTDIR, EBADF, ENOENT when the directory was removed.
 */
export async function getdents64(fd: number, buffer: Buffer): Promise<DirectoryEntry[]> {
  const length = await call.async(fd, buffer, buffer.length);
  return parseEntries(buffer.subarray(0, length));
}

function parseEntries(bytes: Buffer): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const recordEnd = offset + bytes.readUInt16LE(offset + 16);
    const nameStart = offset + nameOffset;
    entries.push({
      inode: readUint64(bytes, offset),
      type: bytes.readUInt8(offset + 18),
      // The name ends at the first zero byte; what follows only pads the record.
      name: bytes.toString("utf8", nameStart, bytes.indexOf(0, nameStart)),
    });
    offset = recordEnd;
  }
  return entries;
}

function readUint64(bytes: Buffer, offset: number): number | bigint {
  const high = bytes.readUInt32LE(offset + 4);
  if (high < 2 ** 21) return high * 2 ** 32 + bytes.readUInt32LE(offset);
  return bytes.readBigUInt64LE(offset);
}
