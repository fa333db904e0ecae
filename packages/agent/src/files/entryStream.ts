// The entries of one directory, one after the other, read from the kernel in small pieces: memory does not depend on the directory's size.
// Also the two ways in which clients take them: single entries with positions, and getdents64(2) with a buffer size.

import {
  AT_SYMLINK_NOFOLLOW,
  DT_BLK,
  DT_CHR,
  DT_DIR,
  DT_FIFO,
  DT_LNK,
  DT_REG,
  DT_SOCK,
  DT_UNKNOWN,
  type DirectoryEntry,
  getdents64,
  statx,
} from "@understudy/native";
import type { DirEntryInternal, U64 } from "@understudy/protocol";
import type { PoolShare } from "../task/threadPool.ts";
import { ENOENT, errnoOf } from "./errnos.ts";

/** About 250 entries at a time. */
const pieceBytes = 8192;
/** Most entries of one answer, about 2 ms of work; clients come back for more. */
const entriesMax = 1024;
/** Bytes of an entry beside its name, as the reference counts them. */
const entryOverheadBytes = 20;
const entryAlignmentBytes = 8;

const kernelTypes: ReadonlySet<number> = new Set([DT_FIFO, DT_CHR, DT_DIR, DT_BLK, DT_REG, DT_LNK, DT_SOCK]);

/** A place in a directory. Entries without "." and "..", in the kernel's order; names that are no UTF-8 carry U+FFFD. */
export class EntryStream {
  /** Opened for reading for this stream alone, since the place is the descriptor's. Whoever holds the stream closes it. */
  readonly fd: number;
  /** Number of its file system. */
  readonly device: number;
  readonly #pool: PoolShare;
  #piece: DirectoryEntry[] = [];
  #index = 0;
  #position: number;
  #hasEnded = false;

  /** @param first entries that come before those of the directory. */
  constructor(pool: PoolShare, fd: number, device: number, first: readonly DirectoryEntry[] = []) {
    this.#pool = pool;
    this.fd = fd;
    this.device = device;
    this.#piece = [...first];
    this.#position = 0;
  }

  /** Up to `amount` next entries, none at the end. */
  async take(amount: U64): Promise<DirEntryInternal[]> {
    const most = amount > entriesMax ? entriesMax : Number(amount);
    const entries: DirEntryInternal[] = [];
    while (entries.length < most) {
      const entry = this.#peekAtOnce() ?? (await this.#peek());
      if (entry === undefined) break;
      entries.push(entry);
      this.#drop();
    }
    return entries;
  }

  /**
   * Next entries as long as their sizes fit into `bufferBytes` together; none at the end or when the first does not fit.
   * `resultSize` is the sum of their sizes.
   */
  async takeSized(bufferBytes: U64): Promise<{ readonly entries: DirEntryInternal[]; readonly resultSize: number }> {
    const entries: DirEntryInternal[] = [];
    let resultSize = 0;
    while (entries.length < entriesMax) {
      const entry = this.#peekAtOnce() ?? (await this.#peek());
      if (entry === undefined) break;
      const size = entrySize(entry.name);
      if (resultSize + size > bufferBytes) break;
      resultSize += size;
      entries.push(entry);
      this.#drop();
    }
    return { entries, resultSize };
  }

  #drop(): void {
    this.#index += 1;
    this.#position += 1;
  }

  /** The next entry if it is at hand: waiting for each would take longer than everything else. */
  #peekAtOnce(): DirEntryInternal | undefined {
    const entry = this.#piece[this.#index];
    if (entry === undefined || !kernelTypes.has(entry.type)) return undefined;
    return { inode: entry.inode, position: this.#position, name: entry.name, fileType: entry.type };
  }

  async #peek(): Promise<DirEntryInternal | undefined> {
    for (;;) {
      const entry = this.#piece[this.#index];
      if (entry === undefined) {
        if (!(await this.#nextPiece())) return undefined;
        continue;
      }
      const fileType = kernelTypes.has(entry.type) ? entry.type : await this.#typeOf(entry.name);
      if (fileType !== undefined) return { inode: entry.inode, position: this.#position, name: entry.name, fileType };
      this.#index += 1;
    }
  }

  /** Asks the file itself, where the file system does not tell types; undefined when it is gone. */
  async #typeOf(name: string): Promise<number | undefined> {
    try {
      const { mode } = await this.#pool.run(this.device, () => statx(this.fd, name, AT_SYMLINK_NOFOLLOW));
      // The four type bits of a mode are the DT_* number.
      const type = (mode >>> 12) & 0o17;
      return kernelTypes.has(type) ? type : DT_UNKNOWN;
    } catch (error) {
      if (errnoOf(error) !== ENOENT) throw error;
      // A name that was not UTF-8 cannot be asked about by what stands for it.
      return name.includes("\ufffd") ? DT_UNKNOWN : undefined;
    }
  }

  async #nextPiece(): Promise<boolean> {
    if (this.#hasEnded) return false;
    const piece = await this.#pool.run(this.device, () => readPiece(this.fd));
    this.#hasEnded = piece.length === 0;
    this.#piece = piece.filter(({ name }) => name !== "." && name !== "..");
    this.#index = 0;
    return !this.#hasEnded;
  }
}

async function readPiece(fd: number): Promise<DirectoryEntry[]> {
  try {
    return await getdents64(fd, Buffer.allocUnsafe(pieceBytes));
  } catch (error) {
    // The directory was removed: an end, as for readdir(3).
    if (errnoOf(error) === ENOENT) return [];
    throw error;
  }
}

function entrySize(name: string): number {
  const bytes = entryOverheadBytes + Buffer.byteLength(name);
  return Math.ceil(bytes / entryAlignmentBytes) * entryAlignmentBytes;
}
