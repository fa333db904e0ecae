// A request's body on its way to a server. Its beginning can be kept, so that it can be sent once more, to somebody else.

import type { RequestBody } from "@understudy/client";
import type { HttpHeaders } from "@understudy/protocol";

export class SendableBody {
  readonly #body: RequestBody;
  readonly #keptMaxBytes: number;
  readonly #onBytes: (bytes: number) => void;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #iterator: AsyncIterator<Buffer> | null = null;
  /** Shared by a reader that was given up and the one after it. */
  #pending: Promise<IteratorResult<Buffer>> | null = null;
  #canRestart = true;

  /** Keeps up to `keptMaxBytes`. `onBytes` is told of each piece once. */
  constructor(body: RequestBody, keptMaxBytes: number, onBytes: (bytes: number) => void) {
    this.#body = body;
    this.#keptMaxBytes = keptMaxBytes;
    this.#onBytes = onBytes;
  }

  get isKnownEmpty(): boolean {
    return this.#body.isKnownEmpty;
  }

  /** Whether `chunks` can be read from the beginning. */
  get canRestart(): boolean {
    return this.#canRestart;
  }

  /** What followed the body; null until its end, and when nothing did. */
  get trailers(): HttpHeaders | null {
    return this.#body.trailers;
  }

  /** The body from its beginning. Rejects when it breaks off. */
  async *chunks(): AsyncGenerator<Buffer> {
    if (!this.#canRestart) throw new Error("the body's beginning is gone");
    for (let i = 0; ; i++) {
      const kept = this.#kept[i];
      if (kept !== undefined) {
        yield kept;
        continue;
      }
      const step = await this.#next();
      if (step.done === true) return;
      yield step.value;
    }
  }

  #next(): Promise<IteratorResult<Buffer>> {
    this.#pending ??= this.#pull();
    return this.#pending;
  }

  async #pull(): Promise<IteratorResult<Buffer>> {
    // A reader that gives up must not take the body with it.
    this.#iterator ??= this.#body.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    const step = await this.#iterator.next();
    this.#pending = null;
    if (step.done === true) return step;
    this.#onBytes(step.value.length);
    this.#keptBytes += step.value.length;
    if (this.#keptBytes <= this.#keptMaxBytes) this.#kept.push(step.value);
    else {
      this.#canRestart = false;
      this.#kept.length = 0;
    }
    return step;
  }
}
