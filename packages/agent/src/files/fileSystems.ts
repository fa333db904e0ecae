// Which file systems keep their files on this machine, so that asking for a file's status cannot wait for a network. Known by the magic
// number of fstatfs(2), remembered by device for a while: a device number may come back as another file system.

import { AT_EMPTY_PATH, fstatfs, statx, type FileStatus } from "@understudy/native";
import type { PoolShare } from "../task/threadPool.ts";
import { statusAtHand } from "./instantCalls.ts";

/**
 * `disk`: the size of a file says how much can be read. `memory`: the same, and nothing is on a disk but what was swapped out. `virtual`:
 * made up by the kernel on reading, sizes mean nothing, reads may wait. `remote`: a server or an unknown kind, of which anything may wait.
 */
export type FileSystemKind = "disk" | "memory" | "virtual" | "remote";

// linux/magic.h and the headers of the file systems.
const kinds: ReadonlyMap<bigint, FileSystemKind> = new Map<bigint, FileSystemKind>([
  [0xef53n, "disk"], // ext2, ext3, ext4
  [0x58465342n, "disk"], // xfs
  [0x9123683en, "disk"], // btrfs
  [0x01021994n, "memory"], // tmpfs, devtmpfs
  [0x858458f6n, "memory"], // ramfs
  [0x794c7630n, "disk"], // overlay
  [0xf2f52010n, "disk"], // f2fs
  [0xe0f5e1e2n, "disk"], // erofs
  [0x73717368n, "disk"], // squashfs
  [0x9fa0n, "virtual"], // proc
  [0x62656572n, "virtual"], // sysfs
  [0x1cd1n, "virtual"], // devpts
  [0x27e0ebn, "virtual"], // cgroup
  [0x63677270n, "virtual"], // cgroup2
  [0x19800202n, "virtual"], // mqueue
]);

const rememberedMs = 30_000;
/** More devices than a container has mounts; above it everything is forgotten. */
const devicesMax = 256;

/** Whether the files' sizes say how much can be read, and nobody else's machine has a say. */
export function isOfThisMachine(kind: FileSystemKind): boolean {
  return kind === "disk" || kind === "memory";
}

/** What one session has learned of the file systems it met. */
export class FileSystems {
  readonly #known = new Map<number, { readonly kind: FileSystemKind; readonly untilMs: number }>();
  readonly #pool: PoolShare;

  constructor(pool: PoolShare) {
    this.#pool = pool;
  }

  /** Null when it is not known, or not for certain any more. */
  knownKindOf(device: number): FileSystemKind | null {
    const known = this.#known.get(device);
    return known !== undefined && known.untilMs > performance.now() ? known.kind : null;
  }

  /** Kind of the file system of a device, `fd` being any file on it. */
  async kindOf(device: number, fd: number): Promise<FileSystemKind> {
    const known = this.knownKindOf(device);
    if (known !== null) return known;
    const { type } = await this.#pool.run(device, () => fstatfs(fd));
    const kind = kinds.get(type) ?? "remote";
    if (this.#known.size >= devicesMax) this.#known.clear();
    this.#known.set(device, { kind, untilMs: performance.now() + rememberedMs });
    return kind;
  }

  /** As `status`, where that asks nobody; null where it might. */
  statusAtOnce(fd: number): FileStatus | null {
    const atHand = statusAtHand(fd);
    const kind = this.knownKindOf(atHand.device);
    return kind === null || kind === "remote" ? null : atHand;
  }

  /** Status of an open file, O_PATH included, asking its server where it has one. */
  async status(fd: number): Promise<FileStatus> {
    const atHand = statusAtHand(fd);
    const kind = await this.kindOf(atHand.device, fd);
    return kind === "remote" ? await this.#pool.run(atHand.device, () => statx(fd, "", AT_EMPTY_PATH)) : atHand;
  }
}
