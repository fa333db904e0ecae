// A raw connection that a client answers: bytes both ways, half-closes kept apart. Also what a stolen HTTP request becomes after an upgrade.

import type { DaemonTcp } from "@understudy/protocol";
import type { ReusedBuffer, SessionLink } from "../../link/sessionLink.ts";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import { StuckWatch } from "../../task/stuckWatch.ts";
import type { WaitingBytes } from "../../task/waitingBytes.ts";

/** Time for a peer to leave after its client has left, in ms. */
const ORPHAN_MS = 5000;
/** Time in which such a peer may take nothing of what the client wrote before, in ms. */
const STUCK_MS = 60_000;

export interface StolenConnectionOptions {
  readonly id: number;
  readonly link: SessionLink;
  readonly socket: ByteSocket;
  /** What waits for this client's peers. */
  readonly waiting: WaitingBytes;
  readonly onGone: () => void;
}

export class StolenConnection {
  readonly #options: StolenConnectionOptions;
  readonly #setWaiting: (bytes: number) => void;
  readonly #watch: StuckWatch;
  #withdraw: (() => void) | null = null;

  /** Takes over the socket. */
  constructor(options: StolenConnectionOptions) {
    this.#options = options;
    const { socket } = options;
    this.#setWaiting = options.waiting.track();
    this.#watch = new StuckWatch({
      timeoutMs: STUCK_MS,
      progress: () => socket.unsentBytes,
      onStuck: () => socket.abort(new Error(`the peer took nothing for ${STUCK_MS} ms`)),
    });
    socket.reader = {
      bytes: (view) => this.peerBytes(view),
      ended: () => this.peerEnded(),
      drained: () => this.#drained(),
      closed: (error) => this.#closed(error),
    };
  }

  /** Bytes from the peer. False pauses it. */
  peerBytes(view: Uint8Array): boolean {
    const { link, id, socket } = this.#options;
    if (view.length > 0) this.#send({ kind: "data", value: { connectionId: id, bytes: view } }, socket);
    if (link.hasRoom) return true;
    this.#withdraw ??= link.whenRoom(() => {
      this.#withdraw = null;
      socket.resume();
    });
    return false;
  }

  peerEnded(): void {
    this.#send({ kind: "data", value: { connectionId: this.#options.id, bytes: new Uint8Array(0) } });
  }

  /** Bytes from the client; empty ones end its direction. */
  clientBytes(bytes: Uint8Array, owner: ReusedBuffer): void {
    const { socket } = this.#options;
    if (bytes.length === 0) socket.end();
    else if (!socket.write(bytes, owner)) {
      this.#setWaiting(socket.backlog);
      this.#watch.isWaiting = true;
    }
  }

  /** The client wants nothing more of it: the peer gets the end of the stream and some time to leave. */
  abandon(): void {
    const { socket, onGone } = this.#options;
    this.#withdraw?.();
    onGone();
    this.#watch[Symbol.dispose]();
    socket.reader = { bytes: () => true, drained: () => this.#setWaiting(0), closed: () => this.#setWaiting(0) };
    socket.endAndLinger(ORPHAN_MS, STUCK_MS);
  }

  #drained(): void {
    this.#setWaiting(0);
    this.#watch.isWaiting = false;
  }

  #closed(error: Error | null): void {
    const { id, link, onGone } = this.#options;
    this.#setWaiting(0);
    this.#watch[Symbol.dispose]();
    this.#withdraw?.();
    onGone();
    if (error !== null) link.tell("warn", `Stolen connection ${id} failed: incoming connection failed: ${error.message}`);
    this.#send({ kind: "close", value: { connectionId: id } });
  }

  #send(message: DaemonTcp, buffer?: ReusedBuffer): void {
    this.#options.link.stream({ kind: "tcpSteal", value: message }, buffer);
  }
}
