// How much the other side may send on all streams of a connection together. Every stream has a window of its own, which opens as its reader gets rid of what came; this one opens at once, so
// that a slow stream does not stop the others, until the connection holds a lot or memory is short.

import type { HeldMemory } from "../http/heldBytes.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import { DEFAULT_WINDOW_BYTES } from "./frameTypes.ts";

/** The window when all that comes is dealt with at once: enough for a peer that is some milliseconds away. */
const GROWN_WINDOW_BYTES = 256 * 1024;
/** While a connection holds more than this, it gets nothing more. */
const MAX_HELD_BYTES = 1024 * 1024;

export interface ConnectionWindowOptions {
  readonly memory: HeldMemory;
  /** Whether the other side may be far away. */
  readonly mayGrow: boolean;
  /** Tells the other side that it may send so much more. */
  readonly widen: (bytes: number) => void;
}

export class ConnectionWindow {
  readonly #options: ConnectionWindowOptions;
  /** How much may still come. */
  #leftBytes = DEFAULT_WINDOW_BYTES;
  #sizeBytes = DEFAULT_WINDOW_BYTES;
  /** Received, and not yet dealt with. */
  #heldBytes = 0;
  /** Received, and the other side does not know yet that it may send as much again. */
  #creditBytes = 0;

  constructor(options: ConnectionWindowOptions) {
    this.#options = options;
  }

  /** A frame begins that takes so much of it. @throws ConnectionError */
  take(bytes: number): void {
    this.#leftBytes -= bytes;
    if (this.#leftBytes < 0) throw new ConnectionError(ErrorCode.flowControlError, "more DATA than the connection's window allows");
  }

  /** So much has been received; `release` when it was dealt with. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#creditBytes += bytes;
    this.#options.memory.change(bytes);
  }

  /** So much of it has been dealt with. */
  release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#options.memory.change(-bytes);
  }

  /** Lets the other side send more, if it may. To be called when something has changed. */
  update(): void {
    if (this.#creditBytes < this.#sizeBytes / 2) return;
    const { memory, mayGrow, widen } = this.#options;
    const isEmpty = this.#heldBytes === 0;
    if (!isEmpty && (this.#heldBytes > MAX_HELD_BYTES || !memory.hasRoom)) return;
    if (isEmpty && mayGrow && memory.hasRoom) {
      this.#creditBytes += GROWN_WINDOW_BYTES - this.#sizeBytes;
      this.#sizeBytes = GROWN_WINDOW_BYTES;
    }
    widen(this.#creditBytes);
    this.#leftBytes += this.#creditBytes;
    this.#creditBytes = 0;
  }
}
