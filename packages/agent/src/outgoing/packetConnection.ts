// One connected seqpacket socket. Packets go through whole, both directions on their own. A packet that is too large to be passed on ends the
// connection with an error: it is never cut. Packets without bytes are dropped, since the wire's form of them is the end of a direction.

import {
  closeSocket,
  EMSGSIZE,
  raiseSendBuffer,
  receivePacket,
  sendPacket,
  shutdownWrite,
  type SocketWatch,
  watchSocket,
} from "@understudy/native";
import type { DaemonSeqpacket } from "@understudy/protocol";
import { errnoOf, remoteIoError, remoteKindError } from "../errors/remoteError.ts";
import { systemErrorText } from "../errors/systemErrorText.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Counter } from "../metrics/instruments.ts";
import { StuckWatch } from "../task/stuckWatch.ts";
import type { Connection, ConnectionEvents } from "./connectionTable.ts";

/** Largest packet taken from a peer. A system lets an ordinary process send twice net.core.wmem_max, 416 KiB where nobody changed it. */
const PACKET_MAX_BYTES = 4 << 20;
/** Packets taken in one turn of the event loop; the rest waits for the next, so that others have theirs in between. */
const PACKETS_PER_TURN = 16;
/** Memory of a packet that waits, beside its bytes. */
const PACKET_OVERHEAD_BYTES = 64;
/** How the protocol's clients know this kind of connection in a failure's text. */
const KIND_TEXT = "mirrord_agent::outgoing::seqpacket::SeqpacketConnection";

export interface PacketConnectionOptions extends ConnectionEvents {
  readonly link: SessionLink;
  readonly stuckTimeoutMs: number;
  readonly droppedEmpty: Counter;
  /** Told how many bytes wait for the peer. */
  readonly onPending: (bytes: number) => void;
}

export class PacketConnection implements Connection {
  readonly #id: number;
  readonly #fd: number;
  readonly #options: PacketConnectionOptions;
  readonly #watch: SocketWatch;
  readonly #stuck: StuckWatch;
  /** Packets for which the socket had no room. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #sentPackets = 0;
  #hasRoomForClient = true;
  #hasPeerEnded = false;
  /** No packet of the client follows. */
  #isEnding = false;
  /** The end of the client's packets has been passed on. */
  #hasEnded = false;
  /** True once the client closed: nothing more is told. */
  #isAbandoned = false;
  #isClosed = false;
  #withdraw: (() => void) | null = null;

  /** Takes over a connected, non-blocking descriptor. */
  constructor(id: number, fd: number, options: PacketConnectionOptions) {
    this.#id = id;
    this.#fd = fd;
    this.#options = options;
    this.#watch = watchSocket(fd, () => this.#onReady());
    this.#stuck = new StuckWatch({
      timeoutMs: options.stuckTimeoutMs,
      progress: () => this.#sentPackets,
      onStuck: () => this.#fail(remoteKindError({ kind: "timedOut" }, "timed out")),
    });
  }

  start(): void {
    this.#watchWanted();
  }

  /** Empty bytes end the client's direction after all earlier packets. `bytes` must not change. */
  send(bytes: Uint8Array): void {
    if (this.#isEnding || this.#isClosed) return;
    if (bytes.length === 0) this.#isEnding = true;
    else this.#enqueue(bytes);
    this.#act(() => this.#sendWaiting());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isAbandoned = true;
    this.#isEnding = true;
    this.#withdraw?.();
    this.#options.onGone();
    this.#act(() => this.#sendWaiting());
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.#close();
  }

  #onReady(): void {
    this.#act(() => {
      this.#sendWaiting();
      if (!this.#isClosed && this.#isReceiving) this.#receive();
    });
  }

  get #isReceiving(): boolean {
    return !this.#hasPeerEnded && !this.#isAbandoned && this.#hasRoomForClient;
  }

  /** Does something with the socket, whose failure is the connection's end. */
  #act(action: () => void): void {
    if (this.#isClosed) return;
    try {
      action();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#watchWanted();
  }

  #watchWanted(): void {
    if (!this.#isClosed) this.#watch.want({ readable: this.#isReceiving, writable: this.#waiting.length > 0 });
  }

  #enqueue(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length + PACKET_OVERHEAD_BYTES;
  }

  #sendWaiting(): void {
    let count = 0;
    while (count < this.#waiting.length && this.#sendOne(this.#waiting[count]!)) count += 1;
    for (const sent of this.#waiting.splice(0, count)) this.#waitingBytes -= sent.length + PACKET_OVERHEAD_BYTES;
    this.#sentPackets += count;
    this.#stuck.isWaiting = this.#waiting.length > 0;
    this.#options.onPending(this.#waitingBytes);
    if (!this.#isEnding || this.#waiting.length > 0) return;
    if (this.#isAbandoned || this.#hasPeerEnded) this.#finish();
    else if (!this.#hasEnded) {
      this.#hasEnded = true;
      shutdownWrite(this.#fd);
    }
  }

  #sendOne(bytes: Uint8Array): boolean {
    try {
      return sendPacket(this.#fd, bytes);
    } catch (error) {
      if (errnoOf(error) !== EMSGSIZE) throw error;
    }
    // Most packets are small, so the larger buffer is taken by the few that need it.
    raiseSendBuffer(this.#fd);
    return sendPacket(this.#fd, bytes);
  }

  #receive(): void {
    for (let count = 0; count < PACKETS_PER_TURN && this.#hasRoom(); count += 1) {
      const received = receivePacket(this.#fd, PACKET_MAX_BYTES);
      switch (received.kind) {
        case "packet":
          this.#tellRead(received.bytes);
          break;
        case "empty":
          this.#options.droppedEmpty.add();
          break;
        case "tooLarge":
          throw remoteIoError(EMSGSIZE, `packet of ${received.length} bytes exceeds ${PACKET_MAX_BYTES}`);
        case "nothing":
          return;
        case "end":
          this.#hasPeerEnded = true;
          this.#tellRead(new Uint8Array(0));
          if (this.#isEnding && this.#waiting.length === 0) this.#finish();
          return;
      }
    }
  }

  /** Whether the session takes more; else receiving rests until it does. */
  #hasRoom(): boolean {
    const { link } = this.#options;
    if (link.hasRoom) return true;
    this.#hasRoomForClient = false;
    this.#withdraw = link.whenRoom(() => {
      this.#withdraw = null;
      this.#hasRoomForClient = true;
      this.#watchWanted();
    });
    return false;
  }

  #tellRead(bytes: Uint8Array): void {
    this.#tell({ kind: "read", value: { kind: "ok", value: { connectionId: this.#id, bytes } } });
  }

  #tell(message: DaemonSeqpacket): void {
    this.#options.link.stream({ kind: "seqpacketOutgoing", value: message });
  }

  #fail(error: Error): void {
    const { link } = this.#options;
    if (!this.#isAbandoned && !this.#isClosed)
      link.tell("warn", `outgoing connection ${this.#id} failed: ${systemErrorText(error)} (${KIND_TEXT})`);
    this.#finish();
  }

  #finish(): void {
    if (this.#isClosed) return;
    this.#close();
    if (!this.#isAbandoned) this.#tell({ kind: "close", value: this.#id });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#withdraw?.();
    this.#stuck[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    closeSocket(this.#fd);
    this.#waiting = [];
    this.#options.onPending(0);
    this.#options.onGone();
    this.#options.onClosed();
  }
}
