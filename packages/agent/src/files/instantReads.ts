// Reads that are answered on the event loop, out of the kernel's memory: a round trip through the pool costs several times what copying the
// bytes does. Here is decided which file may be read so, and how much in one turn of the loop. What cannot is left to the pool.
//
// - Disks: the page cache alone is asked (`readCached`). The first read of an open file goes to the pool all the same, for it may write an
//   access time; from then on the descriptor leaves that time alone, so later reads of it neither fetch nor change anything. The access time
//   so is that of the first read after opening, which is also what mounts with `relatime` have.
// - tmpfs and ramfs are memory, unless there is swap.
// - Anything else may wait.

import { type ReadMemory, SEEK_CUR } from "@understudy/native";
import { EAGAIN } from "./errnos.ts";
import type { FileSystemKind } from "./fileSystems.ts";
import { keepAccessTime, readCachedInstantly, readMemoryInstantly, seekInstantly } from "./instantCalls.ts";
import { InstantTrust } from "./instantTrust.ts";
import { SwapSpace } from "./swapSpace.ts";

/** How one open file may be read on the event loop. It changes as more is learned. */
export type InstantReading =
  | "never"
  /** After its first read. */
  | "notYet"
  | "fromCache"
  | "fromMemory";

/** What is known of a file that was just opened. */
export function instantReading(type: "regular" | "directory" | "other", fileSystem: FileSystemKind): InstantReading {
  if (type !== "regular") return "never";
  if (fileSystem === "memory") return "fromMemory";
  return fileSystem === "disk" ? "notYet" : "never";
}

/** The part of an open file that matters here. */
export interface InstantlyReadFile {
  readonly fd: number;
  instantReading: InstantReading;
}

/** Most bytes of one call: about 20 to 60 µs. */
export const callMaxBytes = 256 * 1024;
/** Most bytes of all sessions in one turn of the event loop; sending them takes several times as long as reading. Larger answers take more turns. */
const turnMaxBytes = 512 * 1024;

export interface InstantReadsOptions {
  readonly swap?: SwapSpace;
  /** Most bytes of one turn of the event loop. Default 512 KiB. */
  readonly turnMaxBytes?: number;
  /** As of `InstantTrust`. */
  readonly slowMs?: number;
}

/** What the sessions of an agent may read in a turn. One for the whole agent. */
export class InstantReads {
  readonly #swap: SwapSpace;
  readonly #turnMaxBytes: number;
  #turnBytes = 0;
  readonly #waiting: (() => void)[] = [];
  /** Shared with whoever else makes calls on the event loop. */
  readonly trust: InstantTrust;

  constructor(options: InstantReadsOptions = {}) {
    this.#swap = options.swap ?? new SwapSpace();
    this.#turnMaxBytes = options.turnMaxBytes ?? turnMaxBytes;
    this.trust = new InstantTrust(options.slowMs);
  }

  /**
   * Reads as much as there is without waiting, over several turns if others read, too.
   *
   * @param length most bytes, from the start of `memory`.
   * @param position null for the file's own position, which then moves by what was read.
   * @returns bytes read, and whether a read(2) would have found no more. If not, the rest is the pool's.
   */
  async read(
    file: InstantlyReadFile,
    memory: ReadMemory,
    length: number,
    position: number | bigint | null,
  ): Promise<{ readonly count: number; readonly isAll: boolean }> {
    let count = 0;
    while (count < length && this.mayRead(file)) {
      const partLength = Math.min(length - count, callMaxBytes);
      if (this.#mustWait(partLength)) await this.#turn(partLength);
      const result = this.#readPart(file, memory, { start: count, length: partLength, position: moved(position, count) });
      if (result === 0) return { count, isAll: true };
      if (result < 0) {
        // A file system that cannot tell (EOPNOTSUPP), or a failure that is the pool's to report.
        if (result !== -EAGAIN) file.instantReading = "never";
        break;
      }
      count += result;
    }
    return { count, isAll: length > 0 && count === length };
  }

  /**
   * As `read`, in this call and out of what this turn has; null where that needs more. Then nothing was read.
   *
   * @returns bytes read, as many as a read(2) would have found.
   */
  readAtOnce(file: InstantlyReadFile, memory: ReadMemory, length: number, position: number | bigint | null): number | null {
    if (length > callMaxBytes || this.#mustWait(length)) return null;
    let count = 0;
    while (count < length) {
      const result = this.#readPart(file, memory, { start: count, length: length - count, position: moved(position, count) });
      if (result < 0) {
        if (count > 0 && position === null) seekInstantly(file.fd, -count, SEEK_CUR);
        return null;
      }
      count += result;
      // Of a file in memory one call gets all there is. Of another the rest may not be cached.
      if (result === 0 || file.instantReading === "fromMemory") break;
    }
    return count;
  }

  /** Whether it makes sense to try `readAtOnce`. */
  mayRead({ instantReading: how }: InstantlyReadFile): boolean {
    if (how === "never" || how === "notYet" || !this.trust.isOn) return false;
    return how === "fromCache" || this.#swap.isAbsent;
  }

  /** To be called after the pool has read a file. */
  wasRead(file: InstantlyReadFile): void {
    if (file.instantReading === "notYet") file.instantReading = keepAccessTime(file.fd) ? "fromCache" : "never";
  }

  #readPart(file: InstantlyReadFile, memory: ReadMemory, part: Parameters<typeof readCachedInstantly>[2]): number {
    const read = file.instantReading === "fromCache" ? readCachedInstantly : readMemoryInstantly;
    return this.trust.watch(() => read(file.fd, memory, part));
  }

  /** Takes the bytes from this turn, if it has them and nobody came before. */
  #mustWait(bytes: number): boolean {
    if (this.#turnBytes === 0 && this.#waiting.length === 0) setImmediate(() => this.#nextTurn());
    if (this.#waiting.length > 0 || (this.#turnBytes > 0 && this.#turnBytes + bytes > this.#turnMaxBytes)) return true;
    this.#turnBytes += bytes;
    return false;
  }

  /** Resolves in the turn that has the bytes. */
  #turn(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(() => {
        this.#turnBytes += bytes;
        resolve();
      });
    });
  }

  #nextTurn(): void {
    this.#turnBytes = 0;
    while (this.#waiting.length > 0 && this.#turnBytes + callMaxBytes <= Math.max(this.#turnMaxBytes, callMaxBytes)) {
      this.#waiting.shift()?.();
    }
    if (this.#turnBytes > 0) setImmediate(() => this.#nextTurn());
  }
}

function moved(position: number | bigint | null, count: number): number | bigint | null {
  return position === null || count === 0 ? position : BigInt(position) + BigInt(count);
}
