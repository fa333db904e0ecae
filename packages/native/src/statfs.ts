// Facts about a mounted file system, with the fields that `fs.statfs` of Node leaves out.

import { cString, type Path } from "./cString.ts";
import { systemCall } from "./systemCall.ts";

/** `struct statfs` of 64-bit Linux, statfs(2). */
export interface FileSystemStats {
  /** Magic number of the file system's kind. */
  readonly type: bigint;
  /** Preferred size of a transfer, in bytes. */
  readonly blockSize: bigint;
  /** Sizes of the file system in units of {@link fragmentSize}. */
  readonly blocks: bigint;
  readonly blocksFree: bigint;
  /** Free blocks that an unprivileged user may have. */
  readonly blocksAvailable: bigint;
  readonly files: bigint;
  readonly filesFree: bigint;
  /** The two words of the id, as signed numbers; both 0 where the kernel shows none. */
  readonly fsid: readonly [number, number];
  /** Longest file name, in bytes. */
  readonly nameLength: bigint;
  readonly fragmentSize: bigint;
  /** ST_* mount flags. */
  readonly flags: bigint;
}

const structSize = 120;
const statfsCall = systemCall("statfs", "int statfs(const void *path, void *stats)");
const fstatfsCall = systemCall("fstatfs", "int fstatfs(int fd, void *stats)");

function parse(bytes: Buffer): FileSystemStats {
  const word = (index: number): bigint => bytes.readBigUInt64LE(index * 8);
  return {
    type: word(0),
    blockSize: word(1),
    blocks: word(2),
    blocksFree: word(3),
    blocksAvailable: word(4),
    files: word(5),
    filesFree: word(6),
    fsid: [bytes.readInt32LE(56), bytes.readInt32LE(60)],
    nameLength: word(8),
    fragmentSize: word(9),
    flags: word(10),
  };
}

/**
 * The file system that a path is on, in libuv's pool (a dead network mount can hold it up).
 *
 * @throws SystemCallError ENOENT, EACCES and so on, as for any path.
 */
export async function statfs(path: Path): Promise<FileSystemStats> {
  const stats = Buffer.alloc(structSize);
  await statfsCall.async(cString(path, "statfs"), stats);
  return parse(stats);
}

/** The file system of an open file, O_PATH descriptors included (Linux 3.12), in libuv's pool. */
export async function fstatfs(fd: number): Promise<FileSystemStats> {
  const stats = Buffer.alloc(structSize);
  await fstatfsCall.async(fd, stats);
  return parse(stats);
}
