// A connected seqpacket unix socket at the agent: packets that keep their boundaries and their order, none lost. What nobody reads is kept
// within the session's receive budget. Packets without bytes cannot be expressed by the protocol; the agent drops them.

import type { DaemonConnect, SocketAddress } from "@understudy/protocol";
import type { ConnectionEvents, ConnectionWire } from "../connectionStream.ts";
import { ownedBytes } from "../ownedBytes.ts";
import type { ReceiveBudget } from "../receiveBudget.ts";

/** Estimated heap of one kept packet beside its bytes. */
const PACKET_OVERHEAD = 128;
const NO_BYTES = new Uint8Array(0);

/** Owned by who asked for it. Iterating gives the received packets, each once, until the peer has ended its direction. */
export class PacketConnection implements ConnectionEvents, AsyncIterable<Uint8Array>, Disposable {
  readonly peerAddress: SocketAddress;
  readonly #wire: ConnectionWire;
  readonly #budget: ReceiveBudget;
  #received: Uint8Array[] = [];
  #hasReceivedEnd = false;
  #hasEnded = false;
  /** Set once nothing more is sent or received; `error` is null after a plain end. */
  #over: { readonly error: Error | null } | null = null;
  #wake: (() => void)[] = [];

  constructor({ remoteAddress }: DaemonConnect, wire: ConnectionWire, budget: ReceiveBudget) {
    this.peerAddress = remoteAddress;
    this.#wire = wire;
    this.#budget = budget;
  }

  /**
   * Sends one packet, which must not change until it resolves: when it has left for the agent.
   * @throws RangeError when it is empty.
   */
  send(packet: Uint8Array): Promise<void> {
    if (packet.length === 0) return Promise.reject(new RangeError("the protocol cannot send an empty packet"));
    return this.#post(packet);
  }

  /** Ends this direction after what was sent; the peer may go on sending. */
  end(): Promise<void> {
    return this.#post(NO_BYTES);
  }

  /** Closes the agent's socket after what was sent. What was received and not read is dropped. */
  destroy(): void {
    this.#release(this.#received.splice(0));
    this.#finish(null, false);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const packet = this.#received.shift();
      if (packet !== undefined) {
        this.#release([packet]);
        yield packet;
      } else if (this.#hasReceivedEnd) return;
      else if (this.#over !== null) {
        if (this.#over.error !== null) throw this.#over.error;
        return;
      } else await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  received(bytes: Uint8Array): void {
    if (this.#over !== null) return;
    this.#received.push(ownedBytes(bytes));
    this.#budget.add(bytes.length + PACKET_OVERHEAD);
    this.#wakeReaders();
  }

  receivedEnd(): void {
    this.#hasReceivedEnd = true;
    this.#wakeReaders();
  }

  closedByAgent(): void {
    this.#finish(this.#hasReceivedEnd && this.#hasEnded ? null : new Error("the agent closed the packet connection"), true);
  }

  sessionEnded(reason: Error): void {
    this.#finish(reason, true);
  }

  #post(bytes: Uint8Array): Promise<void> {
    if (this.#over !== null || this.#hasEnded) return Promise.reject(this.#over?.error ?? new Error("the packet connection has ended"));
    if (bytes.length === 0) this.#hasEnded = true;
    return new Promise((resolve, reject) => this.#wire.send(bytes, (error) => (error === null ? resolve() : reject(error))));
  }

  #release(packets: readonly Uint8Array[]): void {
    for (const packet of packets) this.#budget.release(packet.length + PACKET_OVERHEAD);
  }

  #finish(error: Error | null, isOver: boolean): void {
    if (this.#over !== null) return;
    this.#over = { error };
    this.#wire.forget(isOver);
    this.#wakeReaders();
  }

  #wakeReaders(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
