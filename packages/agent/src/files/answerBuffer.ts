// Memory for the answers to reads, used again and again: fresh memory of an answer's size costs more than reading a file of the page cache
// into it. What the socket has not taken when an answer was sent is somebody's to keep, and comes back when everything has left.

import { ReadMemory } from "@understudy/native";
import type { ReusedBuffer } from "../link/sessionLink.ts";

const smallestBytes = 16 * 1024;
/** Memory that answers of all sessions should not exceed together; each may take half of what is left of it. */
const wantedMaxBytes = 6 * 2 ** 20;
/** What an answer may have in any case, so that every session makes progress. */
const answerLeastBytes = 64 * 1024;

/** Memory that no session uses now. One for the whole agent. */
export class AnswerBuffers {
  readonly #idle = new Map<number, ReadMemory[]>();
  readonly #maxIdleBytes: number;
  #idleBytes = 0;
  #usedBytes = 0;

  /** @param maxIdleBytes what lies ready; more is given back to the system. Default 2 MiB, two of the largest answers. */
  constructor(maxIdleBytes = 2 * 2 ** 20) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /**
   * Most bytes of an answer that is read now. With many sessions reading at once it shrinks, down to 64 KiB: short reads are legal, and
   * fifty answers of 1 MiB are more than the pod has.
   */
  get answerMaxBytes(): number {
    return Math.max(answerLeastBytes, 2 ** Math.floor(Math.log2(Math.max(1, (wantedMaxBytes - this.#usedBytes) / 2))));
  }

  /** Memory for at least so many bytes, and for less than twice as many if that is not very few. */
  take(bytes: number): ReadMemory {
    const size = sizeFor(bytes);
    this.#usedBytes += size;
    const memory = this.#idle.get(size)?.pop();
    if (memory === undefined) return new ReadMemory(size);
    this.#idleBytes -= size;
    return memory;
  }

  /** Only for memory that nobody looks at any more. */
  give(memory: ReadMemory): void {
    const size = memory.bytes.length;
    this.#usedBytes -= size;
    if (this.#idleBytes + size > this.#maxIdleBytes) {
      memory.free();
      return;
    }
    this.#idleBytes += size;
    const idle = this.#idle.get(size);
    if (idle === undefined) this.#idle.set(size, [memory]);
    else idle.push(memory);
  }

  /** For memory that somebody will look at for nobody knows how long: it is left to the garbage collector. */
  forget(memory: ReadMemory): void {
    this.#usedBytes -= memory.bytes.length;
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
  #isAbandoned = false;
  /** What was kept, and may still be looked at. */
  readonly #kept: ReadMemory[] = [];
  #keptBytes = 0;

  constructor(buffers: AnswerBuffers) {
    this.#buffers = buffers;
  }

  /** As `AnswerBuffers.answerMaxBytes`. */
  get maxBytes(): number {
    return this.#buffers.answerMaxBytes;
  }

  /** While true, the session should wait for what it has sent to leave before it reads more. */
  get isOverfull(): boolean {
    return this.#keptBytes > 0 && this.#keptBytes >= this.maxBytes;
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
      if (this.#isKept && this.#isAbandoned) this.#buffers.forget(this.#current);
      else if (this.#isKept) this.#addKept(this.#current);
      else this.#buffers.give(this.#current);
    }
    this.#current = null;
    this.#isKept = false;
  }

  /** Nobody needs any more what was kept so far. */
  reclaim(): void {
    if (this.#kept.length === 0) return;
    this.#keptBytes = 0;
    for (const memory of this.#kept.splice(0)) this.#buffers.give(memory);
  }

  /** The session has ended, and nobody will say when what was kept is not needed any more: it is left to whoever keeps it. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#keptBytes = 0;
    for (const memory of this.#kept.splice(0)) this.#buffers.forget(memory);
  }

  #addKept(memory: ReadMemory): void {
    this.#kept.push(memory);
    this.#keptBytes += memory.bytes.length;
  }
}
