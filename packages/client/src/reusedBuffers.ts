// Buffers that a connection to an agent is read into again and again, so that passing bytes on allocates nothing. Who needs bytes longer than the call that
// hands them out says so, and the next read goes elsewhere.

/** Who may look how long at bytes that were received. */
export interface ReceiveMemory {
  /** What was handed out last stays as it is for ever. */
  keep(): void;
  /** The same until the function that is returned is called, once. */
  lend(): () => void;
}

/** Of a connection whose every read has memory of its own. */
export const freshMemory: ReceiveMemory = { keep: () => undefined, lend: () => () => undefined };

/** Bytes of one read at most, as Node reads without being told. */
const BUFFER_BYTES = 64 * 1024;
/** Buffers that nobody uses now, about as many as a session lends at most by default; more than this many are left to the garbage collector. */
const IDLE_MAX = 256;

interface Held {
  readonly bytes: Uint8Array;
  isKept: boolean;
  /** How many need it for a while. */
  lent: number;
}

/** What one connection reads into. */
export class ReusedBuffers implements ReceiveMemory {
  readonly #idle: Uint8Array[] = [];
  #current: Held = this.#take();

  /** Where the next read goes. */
  next(): Uint8Array {
    if (this.#current.isKept || this.#current.lent > 0) this.#current = this.#take();
    return this.#current.bytes;
  }

  keep(): void {
    this.#current.isKept = true;
  }

  lend(): () => void {
    const held = this.#current;
    held.lent += 1;
    return () => {
      held.lent -= 1;
      if (held !== this.#current && held.lent === 0 && !held.isKept && this.#idle.length < IDLE_MAX) this.#idle.push(held.bytes);
    };
  }

  #take(): Held {
    const bytes = this.#idle.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(BUFFER_BYTES).buffer);
    return { bytes, isKept: false, lent: 0 };
  }
}
