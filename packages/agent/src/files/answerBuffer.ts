// Memory for the answers to reads, used again and again: fresh memory of an answer's size costs more than reading a file of the page cache
// into it. What the socket has not taken when an answer was sent is somebody's to keep, and comes back when everything has left.

import { ReadMemory } from "@understudy/native";
import type { ReusedBuffer } from "../link/sessionLink.ts";

const smallestBytes = 16 * 1024;

/** Memory that no session uses now. One for the whole agent. */
export class AnswerBuffers {
  readonly #idle = new Map<number, ReadMemory[]>();
  readonly #maxIdleBytes: number;
  #idleBytes = 0;

  /** @param maxIdleBytes what lies ready; more is given back to the system. Default 4 MiB, four of the largest answers. */
  constructor(maxIdleBytes = 4 * 2 ** 20) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** Memory for at least so many bytes, and for less than twice as many if that is not very few. */
  take(bytes: number): ReadMemory {
    const size = sizeFor(bytes);
    const memory = this.#idle.get(size)?.pop();
    if (memory === undefined) return new ReadMemory(size);
    this.#idleBytes -= size;
    return memory;
  }

  /** Only for memory that nobody looks at any more. */
  give(memory: ReadMemory): void {
    const size = memory.bytes.length;
    if (this.#idleBytes + size > this.#maxIdleBytes) {
      memory.free();
      return;
    }
    this.#idleBytes += size;
    const idle = this.#idle.get(size);
    if (idle === undefined) this.#idle.set(size, [memory]);
    else idle.push(memory);
  }
}

/** A power of two, so that few sizes serve all. */
function sizeFor(bytes: number): number {
  return Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
}

/** What the answers of one session lie in, one answer at a time: take, send, release. */
export class AnswerBuffer implements ReusedBuffer {
  readonly #buffers: AnswerBuffers;
  #current: ReadMemory | null = null;
  #isKept = false;
  /** What was kept, and may still be looked at. */
  readonly #kept: ReadMemory[] = [];

  constructor(buffers: AnswerBuffers) {
    this.#buffers = buffers;
  }

  /** Memory for the next answer, good until `release`; longer when kept. */
  take(bytes: number): ReadMemory {
    this.release();
    this.#current = this.#buffers.take(bytes);
    return this.#current;
  }

  /** The answer is still needed after `release`. */
  keep(): void {
    this.#isKept = true;
  }

  /** The answer has been sent, or will not be. */
  release(): void {
    if (this.#current !== null) {
      if (this.#isKept) this.#kept.push(this.#current);
      else this.#buffers.give(this.#current);
    }
    this.#current = null;
    this.#isKept = false;
  }

  /** Nobody needs any more what was kept so far. What is never reclaimed is left to whoever keeps it. */
  reclaim(): void {
    for (const memory of this.#kept.splice(0)) this.#buffers.give(memory);
  }
}
