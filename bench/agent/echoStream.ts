// Round trips over a stream whose other end sends everything back.

import type { Duplex } from "node:stream";

/** Neither a beginning of HTTP nor of TLS, for connections that an agent looks into. */
const FIRST_BYTE = 0x01;

export class EchoStream {
  readonly #stream: Duplex;
  readonly #bytes: Buffer;
  #missing = 0;
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null;

  /** Takes the stream over. @param size bytes of one round trip. */
  constructor(stream: Duplex, size: number) {
    this.#stream = stream;
    this.#bytes = Buffer.alloc(size, FIRST_BYTE);
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk.length));
    stream.on("error", (error) => this.#settle?.reject(error));
    stream.on("close", () => this.#settle?.reject(new Error("the connection ended within a round trip")));
  }

  /** One at a time. */
  roundTrip(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#missing = this.#bytes.length;
    this.#settle = { resolve, reject };
    this.#stream.write(this.#bytes);
    return promise;
  }

  close(): void {
    this.#settle = null;
    this.#stream.destroy();
  }

  #receive(bytes: number): void {
    this.#missing -= bytes;
    if (this.#missing > 0) return;
    this.#settle?.resolve();
    this.#settle = null;
  }
}
