// Receive buffers that are read into again and again, so that relaying bytes allocates nothing. Whoever needs bytes longer than the
// call that hands them out says `keep`, and the next read goes into another buffer.

import type { ReusedBuffer } from "../link/sessionLink.ts";

/** Bytes of one read at most. Larger ones gain little and cost every connection its size. */
export const RECEIVE_BUFFER_BYTES = 64 * 1024;

/** Buffers that no socket uses now; more than this many are given back to the system. */
const MAX_IDLE_BUFFERS = 64;

/** Where sockets take their buffers from and leave them. One for the whole agent. */
export class ReceiveBuffers {
  readonly #idle: Uint8Array[] = [];

  take(): Uint8Array {
    // Plain, not a Buffer, whose `slice` would be a view of bytes that change.
    return this.#idle.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES).buffer);
  }

  /** Only for a buffer that nobody looks at any more. */
  give(bytes: Uint8Array): void {
    if (this.#idle.length < MAX_IDLE_BUFFERS) this.#idle.push(bytes);
  }
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
    if (this.#current === null || this.#current.isKept || this.#current.lent > 0) {
      this.release();
      this.#current = { bytes: this.#buffers.take(), isInUse: true, isKept: false, lent: 0 };
    }
    return this.#current.bytes;
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
