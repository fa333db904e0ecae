// Bytes into an open file, with several writes under way at once.

import type { FileRequests, RemoteFd } from "./fileRequests.ts";
import type { WaitOptions } from "./untilAborted.ts";

/** Largest payload of one message: what else the session sends gets its turn in between. */
const PIECE_BYTES = 256 * 1024;
/** Writes under way, at most. */
const DEPTH_MAX = 4;

/** Writes one after another from a position on, or at the file's own position where that is null: for appending, and for what has no positions. */
export class PieceWriter {
  readonly #requests: FileRequests;
  readonly #fd: RemoteFd;
  readonly #wait: WaitOptions;
  readonly #underWay = new Set<Promise<void>>();
  #position: number | null;
  #failure: { readonly error: unknown } | null = null;

  constructor(requests: FileRequests, fd: RemoteFd, position: number | null, wait: WaitOptions = {}) {
    this.#requests = requests;
    this.#fd = fd;
    this.#position = position;
    this.#wait = wait;
  }

  /** Resolves when more may be written, or with the failure of an earlier write. `bytes` must not change until `finish`. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      this.#throwFailure();
      const depth = this.#position === null ? 1 : DEPTH_MAX;
      while (this.#underWay.size >= depth) await Promise.race(this.#underWay);
      this.#start(bytes.subarray(from, from + PIECE_BYTES));
    }
    this.#throwFailure();
  }

  /** Resolves when all is written. */
  async finish(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  #start(piece: Uint8Array): void {
    const writing = this.#writeAll(piece, this.#position)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
    if (this.#position !== null) this.#position += piece.length;
  }

  async #writeAll(piece: Uint8Array, position: number | null): Promise<void> {
    for (let done = 0; done < piece.length;) {
      const rest = piece.subarray(done);
      const written = Number(
        position === null
          ? await this.#requests.write(this.#fd, rest, this.#wait)
          : await this.#requests.writeLimited(this.#fd, rest, position + done, this.#wait),
      );
      if (written <= 0 || written > rest.length) throw new Error(`the agent wrote ${written} of ${rest.length} bytes`);
      done += written;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
