// Receive buffers that are read into again and again, so that relaying bytes allocates nothing. Whoever needs bytes longer than the
// call that hands them out says `keep`, and the next read goes into another buffer.
//
// A socket through which much flows has a buffer to itself. All others read into a common one, from which their bytes are copied at once: most sockets
// are silent most of the time, and a thousand sessions would hold 64 MB for nothing.

import type { ReusedBuffer } from "../link/sessionLink.ts";

/** Bytes of one read at most, but for bulk. */
export const RECEIVE_BUFFER_BYTES = 64 * 1024;

/** Bytes of one read of bulk at most: it takes a fifth less processor time a GB in such pieces. */
export const BULK_BUFFER_BYTES = 128 * 1024;

/** So many sockets may have a bulk buffer at a time; with more of them there is enough to do in each turn, and memory is what is short. */
const MAX_BULK_BUFFERS = 16;

/** A read of so many bytes gives the socket a buffer to itself, a smaller one takes it away. Copying less costs a microsecond at most. */
const BUSY_BYTES = 16 * 1024;

/** Buffers that no socket uses now; more than this many are given back to the system. */
const MAX_IDLE_BUFFERS = 64;

/** Where sockets take their buffers from and leave them. One for the whole agent. */
export class ReceiveBuffers {
  readonly #idle: Uint8Array[] = [];
  readonly #idleBulk: Uint8Array[] = [];
  /** Bulk buffers that somebody has. */
  #bulkCount = 0;
  /** What sockets read into that have no buffer. Its bytes are good until the next of them reads. */
  readonly common = newBuffer(RECEIVE_BUFFER_BYTES);
  #fullReads = 0;

  /** A socket has read so many whole buffers' worth. Returns how many were read in this turn of the event loop, by all sockets. */
  countFullReads(count: number): number {
    if (this.#fullReads === 0) setImmediate(() => (this.#fullReads = 0));
    this.#fullReads += count;
    return this.#fullReads;
  }

  take(): Uint8Array {
    return this.#idle.pop() ?? newBuffer(RECEIVE_BUFFER_BYTES);
  }

  /** A buffer for bulk, or one like any other where there are no more of them. */
  takeForBulk(): Uint8Array {
    if (this.#bulkCount >= MAX_BULK_BUFFERS) return this.take();
    this.#bulkCount += 1;
    return this.#idleBulk.pop() ?? newBuffer(BULK_BUFFER_BYTES);
  }

  /** Only for a buffer that nobody looks at any more. */
  give(bytes: Uint8Array): void {
    if (bytes.length === BULK_BUFFER_BYTES) {
      this.#bulkCount -= 1;
      this.#idleBulk.push(bytes);
    } else if (this.#idle.length < MAX_IDLE_BUFFERS) this.#idle.push(bytes);
  }

  /** The buffer belongs to somebody else from now on. */
  lose(bytes: Uint8Array): void {
    if (bytes.length === BULK_BUFFER_BYTES) this.#bulkCount -= 1;
  }
}

function newBuffer(length: number): Uint8Array {
  // Plain, not a Buffer, whose `slice` would be a view of bytes that change.
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** One buffer and who needs its bytes. */
interface Held {
  readonly bytes: Uint8Array;
  /** The socket reads into it. */
  isInUse: boolean;
  /** Somebody needs the bytes for ever. */
  isKept: boolean;
  /** How many need them for a while. */
  lent: number;
}

/** What one socket reads into. */
export class ReceiveBuffer implements ReusedBuffer {
  readonly #buffers: ReceiveBuffers;
  #current: Held | null = null;
  #isBusy = false;
  /** Whether the last read filled what there was for it. */
  #isBulk = false;

  constructor(buffers: ReceiveBuffers) {
    this.#buffers = buffers;
  }

  keep(): void {
    if (this.#current !== null) this.#current.isKept = true;
  }

  lend(): () => void {
    const held = this.#current;
    if (held === null) return () => undefined;
    held.lent += 1;
    return () => {
      held.lent -= 1;
      this.#giveBack(held);
    };
  }

  /** Where the next read goes. */
  next(): Uint8Array {
    const current = this.#current;
    const isTooSmall = this.#isBulk && current !== null && current.bytes.length < BULK_BUFFER_BYTES;
    if (!this.#isBusy || isTooSmall || current?.isKept === true || (current?.lent ?? 0) > 0) this.release();
    return this.#isBusy ? this.#own().bytes : this.#buffers.common;
  }

  /** The socket has read so many bytes into what `next` gave: where they are now, until the next read. */
  arrived(buffer: Uint8Array, length: number): Uint8Array {
    this.#isBusy = length >= BUSY_BYTES;
    this.#isBulk = length >= RECEIVE_BUFFER_BYTES;
    const bytes = buffer.subarray(0, length);
    if (buffer !== this.#buffers.common) return bytes;
    const own = this.#own().bytes;
    own.set(bytes);
    return own.subarray(0, length);
  }

  #own(): Held {
    if (this.#current === null) {
      const bytes = this.#isBulk ? this.#buffers.takeForBulk() : this.#buffers.take();
      this.#current = { bytes, isInUse: true, isKept: false, lent: 0 };
    }
    return this.#current;
  }

  /** The socket reads into the buffer no more. Whoever needs its bytes still has them. */
  release(): void {
    if (this.#current === null) return;
    this.#current.isInUse = false;
    this.#giveBack(this.#current);
    this.#current = null;
  }

  #giveBack(held: Held): void {
    if (held.isInUse || held.lent > 0) return;
    if (held.isKept) this.#buffers.lose(held.bytes);
    else this.#buffers.give(held.bytes);
  }
}
