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

/** What one socket reads into. */
export class ReceiveBuffer implements ReusedBuffer {
  readonly #buffers: ReceiveBuffers;
  #bytes: Uint8Array | null = null;
  #isKept = false;

  constructor(buffers: ReceiveBuffers) {
    this.#buffers = buffers;
  }

  keep(): void {
    this.#isKept = true;
  }

  /** Where the next read goes. */
  next(): Uint8Array {
    if (this.#bytes === null || this.#isKept) {
      this.#bytes = this.#buffers.take();
      this.#isKept = false;
    }
    return this.#bytes;
  }

  /** The socket is gone and reads no more. A buffer that somebody keeps is left to them. */
  release(): void {
    if (this.#bytes !== null && !this.#isKept) this.#buffers.give(this.#bytes);
    this.#bytes = null;
  }
}
