// Finds out what is spoken on a connection by reading its first bytes. They are handed on, none is lost. Silence is a verdict, too: a peer that waits for the
// target to speak first does not speak HTTP.

import type { ByteSocket } from "../socket/byteSocket.ts";
import { judge, type Verdict } from "./http/detect.ts";

export type Spoken = Exclude<Verdict, "undecided">;

export interface DetectionOptions {
  /** Time for a verdict, from the first moment on, in ms. */
  readonly timeoutMs: number;
  /** More undecided bytes than this are no HTTP. */
  readonly maxBytes: number;
  /**
   * Takes the connection: sets the socket's reader. `first` is good for this call. Returns whether reading may go on. `hasEnded`: the peer
   * ended its direction already.
   */
  readonly take: (spoken: Spoken, first: Uint8Array, hasEnded: boolean) => boolean;
}

/** Reads until there is a verdict. A connection that breaks before is not told of. */
export class Detection {
  readonly #socket: ByteSocket;
  readonly #options: DetectionOptions;
  readonly #timer: NodeJS.Timeout;
  #collected: Uint8Array = new Uint8Array(0);

  constructor(socket: ByteSocket, options: DetectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#timer = setTimeout(() => this.#decideLater("other", false), options.timeoutMs);
    socket.reader = {
      bytes: (view) => this.#bytes(view),
      ended: () => this.#decideLater("other", true),
      closed: () => clearTimeout(this.#timer),
    };
  }

  #bytes(view: Uint8Array): boolean {
    const bytes = this.#collected.length === 0 ? view : Buffer.concat([this.#collected, view]);
    const verdict = judge(bytes, bytes.length);
    if (verdict === "undecided" && bytes.length < this.#options.maxBytes) {
      this.#collected = bytes === view ? Uint8Array.from(view) : bytes;
      return true;
    }
    clearTimeout(this.#timer);
    return this.#options.take(verdict === "undecided" ? "other" : verdict, bytes, false);
  }

  #decideLater(spoken: Spoken, hasEnded: boolean): void {
    clearTimeout(this.#timer);
    if (!this.#options.take(spoken, this.#collected, hasEnded)) this.#socket.pause();
  }
}
