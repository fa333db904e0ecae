// Receive buffers that are read into again and again, so that relaying bytes allocates nothing. Whoever needs bytes longer than the
// call that hands them out says `keep`, and the next read goes into another buffer.
//
// A socket through which much flows has a buffer to itself. All others read into a common one, from which their bytes are copied at once: most sockets
// are silent most of the time, and a thousand sessions would hold 64 MB for nothing.

import type { ReusedBuffer } from "../link/sessionLink.ts";

/** Bytes of one read at most. Larger ones gain little and cost every connection its size. */
export const RECEIVE_BUFFER_BYTES = 64 * 1024;

/** A read of so many bytes gives the socket a buffer to itself, a smaller one takes it away. Copying less costs a microsecond at most. */
const BUSY_BYTES = 16 * 1024;

/** Buffers that no socket uses now; more than this many are given back to the system. */
const MAX_IDLE_BUFFERS = 64;

/** Where sockets take their buffers from and leave them. One for the whole agent. */
export class ReceiveBuffers {
  readonly #idle: Uint8Array[] = [];
  /** What sockets read into that have no buffer. Its bytes are good until the next of them reads. */
  readonly common = newBuffer();
  #fullReads = 0;

  /** A socket has read a whole buffer. Returns how many were read in this turn of the event loop, by all sockets. */
  countFullRead(): number {
    if (this.#fullReads === 0) setImmediate(() => (this.#fullReads = 0));
    this.#fullReads += 1;
    return this.#fullReads;
  }

  take(): Uint8Array {
    return this.#idle.pop() ?? newBuffer();
  }

  /** Only for a buffer that nobody looks at any more. */
  give(bytes: Uint8Array): void {
    if (this.#idle.length < MAX_IDLE_BUFFERS) this.#idle.push(bytes);
  }
}

function newBuffer(): Uint8Array {
  // Plain, not a Buffer, whose `slice` would be a view of bytes that change.
  return new Uint8Array(Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES).buffer);
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
    if (!this.#isBusy || this.#current?.isKept === true || (this.#current?.lent ?? 0) > 0) this.release();
    return this.#isBusy ? this.#own().bytes : this.#buffers.common;
  }

  /** The socket has read so many bytes into what `next` gave: where they are now, until the next read. */
  arrived(buffer: Uint8Array, length: number): Uint8Array {
    this.#isBusy = length >= BUSY_BYTES;
    const bytes = buffer.subarray(0, length);
    if (buffer !== this.#buffers.common) return bytes;
    const own = this.#own().bytes;
    own.set(bytes);
    return own.subarray(0, length);
  }

  #own(): Held {
    return (this.#current ??= { bytes: this.#buffers.take(), isInUse: true, isKept: false, lent: 0 });
  }

  /** The socket reads into the buffer no more. Whoever needs its bytes still has them. */
  release(): void {
    if (this.#current === null) return;
    this.#current.isInUse = false;
    this.#giveBack(this.#current);
    this.#current = null;
  }

  #giveBack(held: Held): void {
    if (!held.isInUse && !held.isKept && held.lent === 0) this.#buffers.give(held.bytes);
  }
}
