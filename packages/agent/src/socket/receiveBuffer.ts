// A socket's receive buffer that is read into again and again, so that relaying bytes allocates nothing. Whoever needs bytes longer than the
// call that hands them out says `keep`, and the next read goes into another buffer.

import type { ReusedBuffer } from "../link/sessionLink.ts";

/** Bytes of one read at most. Larger ones gain little and cost every connection its size. */
export const RECEIVE_BUFFER_BYTES = 64 * 1024;

export class ReceiveBuffer implements ReusedBuffer {
  #bytes: Uint8Array | null = null;
  #isKept = false;

  keep(): void {
    this.#isKept = true;
  }

  /** True when the bytes handed out last are in use by somebody else. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /** Where the next read goes. */
  next(): Uint8Array {
    if (this.#bytes === null || this.#isKept) {
      this.#bytes = Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES);
      this.#isKept = false;
    }
    return this.#bytes;
  }
}
