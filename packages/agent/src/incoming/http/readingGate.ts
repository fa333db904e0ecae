// Whether more of a peer may be read: what it sends must have somewhere to go. A peer that sends ahead is read on for a while, since that is the only way to notice that it leaves.

import type { SessionLink } from "../../link/sessionLink.ts";
import type { HeldBytes, HeldMemory } from "./heldBytes.ts";

/** What is read of a peer that sends ahead, in bytes. */
const AHEAD_MAX_BYTES = 64 * 1024;

export class ReadingGate implements Disposable {
  readonly #held: HeldBytes;
  readonly #memory: HeldMemory;
  readonly #onRoom: () => void;
  #withdraw: (() => void) | null = null;

  /** `onRoom`: a client that had no room may have some now. */
  constructor(held: HeldBytes, memory: HeldMemory, onRoom: () => void) {
    this.#held = held;
    this.#memory = memory;
    this.#onRoom = onRoom;
  }

  /** Whether more may wait behind the request under way. */
  get hasRoomAhead(): boolean {
    return this.#held.length < AHEAD_MAX_BYTES && this.#memory.hasRoom;
  }

  /** Whether the client that gets the request's body has room for more of it. */
  hasRoomAt(link: SessionLink): boolean {
    if (link.hasRoom) return true;
    this.#withdraw ??= link.whenRoom(() => {
      this.#withdraw = null;
      this.#onRoom();
    });
    return false;
  }

  [Symbol.dispose](): void {
    this.#withdraw?.();
    this.#withdraw = null;
  }
}
