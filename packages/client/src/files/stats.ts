// What a file, a directory's entry and a file system are, in the forms of Node's `fs`.

import { constants } from "node:fs";
import type { DirEntryInternal, FsMetadataInternal, MetadataInternal } from "@understudy/protocol";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } = constants;

/** `unknown` is of file systems that do not tell with the name; `stat` does. */
export type FileType = "file" | "directory" | "symlink" | "fifo" | "socket" | "characterDevice" | "blockDevice" | "unknown";

const typesOfMode: ReadonlyMap<number, FileType> = new Map([
  [S_IFREG, "file"],
  [S_IFDIR, "directory"],
  [S_IFLNK, "symlink"],
  [S_IFIFO, "fifo"],
  [S_IFSOCK, "socket"],
  [S_IFCHR, "characterDevice"],
  [S_IFBLK, "blockDevice"],
]);

/** The questions that `Stats` and `Dirent` of Node answer. */
class Typed {
  readonly type: FileType;

  constructor(type: FileType) {
    this.type = type;
  }

  isFile(): boolean {
    return this.type === "file";
  }

  isDirectory(): boolean {
    return this.type === "directory";
  }

  isSymbolicLink(): boolean {
    return this.type === "symlink";
  }

  isFIFO(): boolean {
    return this.type === "fifo";
  }

  isSocket(): boolean {
    return this.type === "socket";
  }

  isCharacterDevice(): boolean {
    return this.type === "characterDevice";
  }

  isBlockDevice(): boolean {
    return this.type === "blockDevice";
  }
}

/** More nanoseconds than these are no part of a second. */
const NS_PER_S = 1_000_000_000n;

/**
 * As `fs.Stats`, without the time of birth. Of a time most agents tell only the nanoseconds of its second, so that there is no date to be had and
 * `mtime` is null; one with UNDERSTUDY_FULL_FILE_TIMES tells all of it. Numbers beyond 2^53 are rounded.
 */
export class Stats extends Typed {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** In bytes. */
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  /** Last access. Of times see above: nanoseconds since 1970, or of their second. */
  readonly atimeNs: bigint;
  /** Last change of the contents. Another value means a change; the same value proves it only where there are dates. */
  readonly mtimeNs: bigint;
  /** Last change of anything. */
  readonly ctimeNs: bigint;

  constructor(metadata: MetadataInternal) {
    super(typesOfMode.get(metadata.mode & S_IFMT) ?? "unknown");
    this.dev = Number(metadata.deviceId);
    this.ino = Number(metadata.inode);
    this.mode = metadata.mode;
    this.nlink = Number(metadata.hardLinks);
    this.uid = metadata.userId;
    this.gid = metadata.groupId;
    this.rdev = Number(metadata.rdeviceId);
    this.size = Number(metadata.size);
    this.blksize = Number(metadata.blockSize);
    this.blocks = Number(metadata.blocks);
    this.atimeNs = BigInt(metadata.accessTime);
    this.mtimeNs = BigInt(metadata.modificationTime);
    this.ctimeNs = BigInt(metadata.creationTime);
  }
  get atime(): Date | null {
    return dateOf(this.atimeNs);
  }

  get mtime(): Date | null {
    return dateOf(this.mtimeNs);
  }

  get ctime(): Date | null {
    return dateOf(this.ctimeNs);
  }
}

function dateOf(ns: bigint): Date | null {
  return ns >= 0n && ns < NS_PER_S ? null : new Date(Number(ns / 1_000_000n));
}

/** As `fs.Dirent`. */
export class Dirent extends Typed {
  /** As the target has it, with U+FFFD for what is not UTF-8: such a name cannot be opened. */
  readonly name: string;
  /** The directory that was read, as it was given. */
  readonly parentPath: string;

  constructor({ name, fileType }: Pick<DirEntryInternal, "name" | "fileType">, parentPath: string) {
    // A DT_ value is the file's type in a mode, shifted.
    super(typesOfMode.get(fileType << 12) ?? "unknown");
    this.name = name;
    this.parentPath = parentPath;
  }
}

/** As `fs.StatsFs`. */
export interface StatsFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

export function statsFsOf(metadata: FsMetadataInternal): StatsFs {
  return {
    type: Number(metadata.filesystemType),
    bsize: Number(metadata.blockSize),
    blocks: Number(metadata.blocks),
    bfree: Number(metadata.blocksFree),
    bavail: Number(metadata.blocksAvailable),
    files: Number(metadata.files),
    ffree: Number(metadata.filesFree),
  };
}
