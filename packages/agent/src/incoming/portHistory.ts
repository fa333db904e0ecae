// What the connections of one port were like: whether the side that answers is used to speak first. Then nobody has to wait for a peer that is not going to say
// anything.

import type { ByteSocket, SocketObserver } from "../socket/byteSocket.ts";

/** So many connections one after another on which the answering side spoke first make a port of that kind. */
const PROOFS = 3;

export class PortHistory {
  #inARow = 0;

  /** On one connection the target, or the client that answers instead, spoke first. */
  serverSpokeFirst(): void {
    this.#inARow += 1;
  }

  peerSpokeFirst(): void {
    this.#inARow = 0;
  }

  get isServerFirst(): boolean {
    return this.#inARow >= PROOFS;
  }
}

/** Watches one connection until it is known who speaks first on it, and adds that to the port's history. */
export class FirstSpeaker implements SocketObserver {
  readonly #socket: ByteSocket;
  #history: PortHistory | null;

  constructor(socket: ByteSocket, history: PortHistory) {
    this.#socket = socket;
    this.#history = history;
  }

  bytes(): void {
    if (!this.#socket.hasWritten) this.#history?.peerSpokeFirst();
    else this.#history?.serverSpokeFirst();
    this.#history = null;
  }

  ended(): void {
    this.closed();
  }

  /** A peer that leaves without a word has at most listened. */
  closed(): void {
    if (this.#socket.hasWritten) this.#history?.serverSpokeFirst();
    this.#history = null;
  }
}
