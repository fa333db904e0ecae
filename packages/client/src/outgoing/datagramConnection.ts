// A connected UDP socket at the agent. Datagrams that nobody reads are kept up to a limit and dropped beyond it, as a kernel does.

import type { DaemonConnect, SocketAddress } from "@understudy/protocol";
import type { ConnectionEvents, ConnectionWire } from "../connectionStream.ts";
import { ownedBytes } from "../ownedBytes.ts";

/** Most unread datagrams that are kept, by their number and by their bytes. */
const KEPT_MAX = 1024;
const KEPT_MAX_BYTES = 1024 * 1024;

/** Owned by who asked for it. Iterating gives the received datagrams, each once, until the connection is closed by either side. */
export class DatagramConnection implements ConnectionEvents, AsyncIterable<Uint8Array>, Disposable {
  readonly peerAddress: SocketAddress;
  readonly agentAddress: SocketAddress;
  readonly #wire: ConnectionWire;
  #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #dropped = 0;
  /** `error` is null after a plain end. */
  #end: { readonly error: Error | null } | null = null;
  #hasReceivedEnd = false;
  #wake: (() => void) | null = null;

  constructor({ remoteAddress, localAddress }: DaemonConnect, wire: ConnectionWire) {
    this.peerAddress = remoteAddress;
    this.agentAddress = localAddress;
    this.#wire = wire;
  }

  /** Datagrams dropped so far because nobody read. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Sends one datagram; resolves when it has left for the agent. Whether it arrived nobody says.
   * @throws RangeError when it is empty, which the protocol cannot express.
   */
  send(datagram: Uint8Array): Promise<void> {
    if (datagram.length === 0) return Promise.reject(new RangeError("the protocol cannot send an empty datagram"));
    if (this.#end !== null) return Promise.reject(this.#end.error ?? new Error("the datagram connection is closed"));
    return new Promise((resolve, reject) => this.#wire.send(datagram, (error) => (error === null ? resolve() : reject(error))));
  }

  /** Closes the agent's socket. What was received before can still be read. */
  destroy(): void {
    this.#finish(null, false);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const datagram = this.#received.shift();
      if (datagram !== undefined) {
        this.#receivedBytes -= datagram.length;
        yield datagram;
      } else if (this.#end !== null || this.#hasReceivedEnd) {
        if (this.#end !== null && this.#end.error !== null) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          const previous = this.#wake;
          this.#wake = () => {
            previous?.();
            resolve();
          };
        });
      }
    }
  }

  received(bytes: Uint8Array): void {
    if (this.#received.length >= KEPT_MAX || this.#receivedBytes + bytes.length > KEPT_MAX_BYTES) {
      this.#dropped += 1;
      return;
    }
    this.#received.push(ownedBytes(bytes));
    this.#receivedBytes += bytes.length;
    this.#wakeReaders();
  }

  /** An empty datagram ended the receiving side; sending goes on until `destroy`. */
  receivedEnd(): void {
    this.#hasReceivedEnd = true;
    this.#wakeReaders();
  }

  closedByAgent(): void {
    this.#finish(new Error("the agent closed the datagram connection"), true);
  }

  sessionEnded(reason: Error): void {
    this.#finish(reason, true);
  }

  #finish(error: Error | null, isOver: boolean): void {
    if (this.#end !== null) return;
    this.#end = { error };
    this.#wire.forget(isOver);
    this.#wakeReaders();
  }

  #wakeReaders(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
