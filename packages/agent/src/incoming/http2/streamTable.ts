// The streams of a connection: which are open, which were, and whose turn it is to send.

import { IdTable } from "../../task/idTable.ts";
import type { Stream } from "./stream.ts";

/** Streams that we reset, of which late frames are forgiven. */
const MAX_RESET_IDS = 256;

export class StreamTable {
  readonly #open = new IdTable<Stream>();
  /** Streams that have something to send, in the order of their turns. */
  readonly #waiting = new Set<Stream>();
  readonly #resetIds = new Set<number>();
  /** The latest stream that was opened, by whichever side does it. */
  lastId = 0;

  get count(): number {
    return this.#open.size;
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  values(): Iterable<Stream> {
    return this.#open.values();
  }

  add(stream: Stream): void {
    this.#open.set(stream.id, stream);
  }

  /** `wasReset`: by us. */
  forget(stream: Stream, wasReset: boolean): void {
    this.#open.delete(stream.id);
    this.#waiting.delete(stream);
    if (!wasReset) return;
    this.#resetIds.add(stream.id);
    if (this.#resetIds.size > MAX_RESET_IDS) for (const oldest of this.#resetIds.values().take(1)) this.#resetIds.delete(oldest);
  }

  /** Whether we reset it, not long ago. */
  wasReset(id: number): boolean {
    return this.#resetIds.has(id);
  }

  /** Whether nobody has opened it yet, or nobody can. Only requests open streams, and those have odd numbers. */
  isIdle(id: number): boolean {
    return id > this.lastId || id % 2 === 0;
  }

  /** The stream has something to send. */
  wait(stream: Stream): void {
    this.#waiting.add(stream);
  }

  /** Lets the next stream send one frame. False when none has anything to send. */
  sendNext(): boolean {
    for (const stream of this.#waiting) {
      this.#waiting.delete(stream);
      stream.sendOne();
      if (stream.isSendable) this.#waiting.add(stream);
      return true;
    }
    return false;
  }
}
