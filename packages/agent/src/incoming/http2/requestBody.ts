// The part of a request's body that has to wait: until it is known who gets the request, or until the target takes it. In memory of its own.

import type { HeldMemory } from "../http/heldBytes.ts";
import type { Field } from "./fields.ts";

export class RequestBody {
  readonly #memory: HeldMemory;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #isComplete: boolean;
  #trailers: readonly Field[] | null = null;
  /** Of these bytes the peer has been told that it may send as many more; they are counted here. */
  #creditedBytes = 0;

  constructor(memory: HeldMemory, isComplete: boolean) {
    this.#memory = memory;
    this.#isComplete = isComplete;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0 && this.#trailers === null;
  }

  /** All of it has arrived. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  get trailers(): readonly Field[] | null {
    return this.#trailers;
  }

  get creditedBytes(): number {
    return this.#creditedBytes;
  }

  /** Copies `view` behind what is there. Returns the copy. */
  add(view: Uint8Array, isEnd: boolean): Uint8Array {
    const copy = new Uint8Array(view);
    if (copy.length > 0) this.#pieces.push(copy);
    this.#bytes += copy.length;
    this.#isComplete ||= isEnd;
    return copy;
  }

  end(trailers: readonly Field[] | null): void {
    this.#trailers = trailers;
    this.#isComplete = true;
  }

  /** The peer is told that it may send as many bytes more. */
  credit(bytes: number): void {
    this.#creditedBytes += bytes;
    this.#memory.change(bytes);
  }

  /** The pieces, in memory that never changes. */
  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  /** The pieces, which are no longer held here. */
  takePieces(): readonly Uint8Array[] {
    const pieces = this.#pieces;
    this.release();
    return pieces;
  }

  /** Lets go of the bytes. */
  release(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#memory.change(-this.#creditedBytes);
    this.#creditedBytes = 0;
  }
}
