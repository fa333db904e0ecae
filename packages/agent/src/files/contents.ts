// Reads, writes and positions of open files. The position is the kernel's, so appending, FIFOs, devices and files of /proc behave as for
// any process. What is not ready (all descriptors are non-blocking) is waited for with rests, by this request alone.

import { ReadMemory, SEEK_CUR, SEEK_END, SEEK_SET, lseek } from "@understudy/native";
import type { I64, ReadFileResponse, SeekFromInternal, U64 } from "@understudy/protocol";
import { remoteIoError } from "../errors/remoteError.ts";
import type { PoolShare } from "../task/threadPool.ts";
import type { AnswerBuffer } from "./answerBuffer.ts";
import { EAGAIN, EFBIG, EINVAL, errnoOf } from "./errnos.ts";
import { isOfThisMachine } from "./fileSystems.ts";
import { GrowingRests } from "./growingRests.ts";
import { positionOf, seekInstantly, statusAtHand } from "./instantCalls.ts";
import { callMaxBytes, type InstantReads } from "./instantReads.ts";
import type { OpenedFile } from "./openFile.ts";
import * as poolCalls from "./poolCalls.ts";

const offsetMax = 2n ** 63n - 1n;
const whences = { start: SEEK_SET, current: SEEK_CUR, end: SEEK_END };
/** Never ask for less of a file that seems to be at its end: it may have grown. */
const leastReadBytes = 4096;
/** Asking for the size costs more than so much memory for a moment. */
const smallReadBytes = 64 * 1024;

/** Where calls on a file may wait. */
export interface WaitMeans {
  readonly pool: PoolShare;
  /** Its abort ends the wait for what is not ready. */
  readonly signal: AbortSignal;
}

/** What a read on the event loop needs beside the file. */
export interface InstantReadMeans {
  /** Most bytes of one answer. */
  readonly maxBytes: number;
  readonly instantReads: InstantReads;
  /** Where the answer goes; null for memory of its own. */
  readonly buffer: AnswerBuffer | null;
}

/** What any read needs beside the file. */
export interface ReadMeans extends InstantReadMeans, WaitMeans {}

/**
 * One read(2), or pread(2) where a position is given.
 *
 * @param wanted most bytes the client takes; never more than `maxBytes` or the buffer's maximum are read or allocated.
 * @returns bytes that are good as long as the buffer's; empty at the end of the file.
 */
export async function read(file: OpenedFile, wanted: U64, position: U64 | null, means: ReadMeans): Promise<ReadFileResponse> {
  const { instantReads, buffer } = means;
  const length = readLength(file, wanted, position, means);
  const memory = buffer === null ? new ReadMemory(length) : buffer.take(length);
  const instant = await instantReads.read(file, memory, length, position);
  let { count } = instant;
  if (!instant.isAll) {
    const rest = memory.bytes.subarray(count, length);
    const restPosition = position === null || count === 0 ? position : BigInt(position) + BigInt(count);
    try {
      count += await whenReady(file, means, () => poolCalls.readOnce(file.fd, rest, restPosition));
    } catch (error) {
      // A read that got something has not failed.
      if (count === 0) throw error;
    }
    instantReads.wasRead(file);
  }
  return readResponse(memory, count, length);
}

/** As `read`, where nothing can hold it up and it is not much; null where it might be. Then nothing was read. */
export function readAtOnce(file: OpenedFile, wanted: U64, position: U64 | null, means: InstantReadMeans): ReadFileResponse | null {
  const { instantReads, buffer } = means;
  if (wanted === 0 || !instantReads.mayRead(file)) return null;
  const length = readLength(file, wanted, position, means);
  if (length > callMaxBytes) return null;
  const memory = buffer === null ? new ReadMemory(length) : buffer.take(length);
  const count = instantReads.readAtOnce(file, memory, length, position);
  return count === null ? null : readResponse(memory, count, length);
}

/** How much is asked of the system. */
function readLength(file: OpenedFile, wanted: U64, position: U64 | null, { maxBytes: allowed, buffer }: InstantReadMeans): number {
  const maxBytes = Math.min(allowed, buffer?.maxBytes ?? Infinity);
  const most = wanted > maxBytes ? maxBytes : Number(wanted);
  const length = most <= smallReadBytes ? most : Math.min(most, bytesAhead(file, position));
  // The last byte asked for must have an offset that the kernel's signed type can hold.
  if (position !== null && BigInt(position) + BigInt(length) > offsetMax) throw remoteIoError(EINVAL, "pread");
  return length;
}

function readResponse(memory: ReadMemory, count: number, length: number): ReadFileResponse {
  const bytes = memory.bytes.subarray(0, count);
  // A short answer must not keep a long buffer alive until it is sent.
  return { bytes: count * 2 < length ? Buffer.from(bytes) : bytes, readAmount: count };
}

/** Bound of what a read can return, so that small files do not take large buffers; infinite where it is not known. */
function bytesAhead(file: OpenedFile, position: U64 | null): number {
  if (file.type !== "regular" || !isOfThisMachine(file.fileSystem)) return Infinity;
  const from = Number(position ?? positionOf(file.fd));
  return Math.max(Number(statusAtHand(file.fd).size) - from, leastReadBytes);
}

/** One write(2), or pwrite(2) where a position is given. `bytes` must not change meanwhile. @returns bytes written, may be fewer. */
export async function write(file: OpenedFile, bytes: Uint8Array, position: U64 | null, means: WaitMeans): Promise<number> {
  if (position !== null && !Number.isSafeInteger(position)) {
    // Node writes at exact numbers only. No disk file system of this day goes that far.
    throw remoteIoError(BigInt(position) > offsetMax ? EINVAL : EFBIG, "pwrite");
  }
  const offset = position === null ? null : Number(position);
  return await whenReady(file, means, () => poolCalls.writeOnce(file.fd, bytes, offset));
}

/** lseek(2). @returns the new position. */
export async function seek(file: OpenedFile, from: SeekFromInternal, pool: PoolShare): Promise<U64> {
  return seekResult(from, await pool.run(file.device, () => lseek(file.fd, seekOffset(from), whences[from.kind])));
}

/** As `seek`, for a regular file of this machine; null for another. */
export function seekAtOnce(file: OpenedFile, from: SeekFromInternal): U64 | null {
  if (file.type !== "regular" || file.fileSystem === "remote") return null;
  return seekResult(from, seekInstantly(file.fd, seekOffset(from), whences[from.kind]));
}

function seekOffset({ value: offset }: SeekFromInternal): I64 {
  if (offset > offsetMax) throw remoteIoError(EINVAL, "lseek");
  return offset;
}

function seekResult(from: SeekFromInternal, position: number): U64 {
  // Exact above 2^53 as well. Otherwise the kernel's answer counts: some devices stay at 0.
  return from.kind === "start" && !Number.isSafeInteger(position) ? from.value : position;
}

/** ftruncate(2). */
export async function truncate(file: OpenedFile, length: I64, pool: PoolShare): Promise<void> {
  // Node would take a negative length for 0.
  if (length < 0) throw remoteIoError(EINVAL, "ftruncate");
  if (!Number.isSafeInteger(length)) throw remoteIoError(EFBIG, "ftruncate");
  await pool.run(file.device, () => poolCalls.truncate(file.fd, Number(length)));
}

async function whenReady<T>(file: OpenedFile, { pool, signal }: WaitMeans, work: () => Promise<T>): Promise<T> {
  const rests = new GrowingRests(signal);
  for (;;) {
    try {
      return await pool.run(file.device, work);
    } catch (error) {
      if (errnoOf(error) !== EAGAIN) throw error;
    }
    await rests.rest();
  }
}
