// Reading a file on the calling thread, from what the kernel has in memory. Node can neither ask for that alone nor tell "not in memory"
// from a failure without making an error.

import { constants } from "node:fs";
import { loadKoffi, systemCall } from "./systemCall.ts";

/** preadv2: fail with EAGAIN, or read less, where the rest would have to be fetched (Linux 4.14). */
const RWF_NOWAIT = 0x8;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NOATIME = constants.O_NOATIME;
const vectorSize = 16;

const preadv2 = systemCall("preadv2", "int64_t preadv2(int fd, const void *vectors, int count, int64_t offset, int flags)");
// Described with a fixed argument; see `systemCall` about variadic functions.
const fcntl = systemCall("fcntl", "int fcntl(int fd, int command, int64_t argument)");

/** Memory that is read into, of its own and at an address that stays. Its bytes are whatever was there before. */
export class ReadMemory {
  readonly bytes: Buffer;
  readonly #buffer: ArrayBuffer;
  /** `struct iovec` for the call, and the address of `bytes`. */
  #vector: { readonly bytes: Buffer; readonly address: bigint } | null = null;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.#buffer = this.bytes.buffer as ArrayBuffer;
  }

  /** Gives the memory back to the system at once, without waiting for the garbage collector; `bytes` are then gone. Nobody may use it any more. */
  free(): void {
    this.#vector = null;
    this.#buffer.transfer(0);
  }

  /** The struct for a part of the memory, good until the next call. */
  vector(start: number, length: number): Buffer {
    if (start < 0 || length < 0 || start + length > this.bytes.length) throw new RangeError("outside of the memory");
    this.#vector ??= { bytes: Buffer.alloc(vectorSize), address: loadKoffi().address(this.bytes) };
    this.#vector.bytes.writeBigUInt64LE(this.#vector.address + BigInt(start), 0);
    this.#vector.bytes.writeBigUInt64LE(BigInt(length), 8);
    return this.#vector.bytes;
  }
}

/** What is read, and where it goes. */
export interface ReadPart {
  /** Place in the memory of the first byte read. */
  readonly start: number;
  /** Most bytes. */
  readonly length: number;
  /** Offset in the file; null for the file's own position, which then moves. */
  readonly position: number | bigint | null;
}

/**
 * Reads what the page cache has and waits for nothing.
 *
 * @returns bytes read: 0 at the end of the file, fewer than asked where the end or something not cached follows. Or a negated error number:
 *   EAGAIN where nothing is cached, EOPNOTSUPP for a file system that cannot tell, such as tmpfs.
 */
export function readCached(fd: number, memory: ReadMemory, part: ReadPart): number {
  return readVector(fd, memory, part, RWF_NOWAIT);
}

/** The same for a file system that is in memory altogether: an ordinary read, which would wait anywhere else. */
export function readInMemory(fd: number, memory: ReadMemory, part: ReadPart): number {
  return readVector(fd, memory, part, 0);
}

function readVector(fd: number, memory: ReadMemory, { start, length, position }: ReadPart, flags: number): number {
  return preadv2.attempt(fd, memory.vector(start, length), 1, position ?? -1, flags);
}

/**
 * Reads through this descriptor leave the file's access time alone from now on.
 *
 * @returns false where the process is neither the file's owner nor may act for it.
 */
export function keepAccessTime(fd: number): boolean {
  const flags = fcntl.attempt(fd, F_GETFL, 0);
  return flags >= 0 && fcntl.attempt(fd, F_SETFL, flags | O_NOATIME) === 0;
}
