// One TCP or unix stream that was connected for a client. Bytes go through unchanged and in order, both directions on their own; a slow end
// only pauses what feeds it.

import type { DaemonTcpOutgoing } from "@understudy/protocol";
import { remoteKindError } from "../errors/remoteError.ts";
import { systemErrorText } from "../errors/systemErrorText.ts";
import type { ReusedBuffer, SessionLink } from "../link/sessionLink.ts";
import type { ByteSocket } from "../socket/byteSocket.ts";
import { StuckWatch } from "../task/stuckWatch.ts";
import type { Connection, ConnectionEvents } from "./connectionTable.ts";

/** How the protocol's clients know this kind of connection in a failure's text. */
const KIND_TEXT = "mirrord_agent::outgoing::tcp_unix::TcpOrUnixConnection";

export interface StreamConnectionOptions extends ConnectionEvents {
  readonly link: SessionLink;
  readonly stuckTimeoutMs: number;
  /** Told how many bytes wait for the peer. */
  readonly onPending: (bytes: number) => void;
}

/** From the answer to its connect until both directions ended. */
export class StreamConnection implements Connection {
  readonly #id: number;
  readonly #socket: ByteSocket;
  readonly #options: StreamConnectionOptions;
  /** Bytes that wait for the peer, a kept receive buffer counted once and in full. */
  #pendingBytes = 0;
  /** The memory of the receive buffer that was counted last. */
  #countedBuffer: ArrayBufferLike | null = null;
  /** Gives back the receive buffers that hold what waits for the peer. */
  #lent: (() => void)[] = [];
  /** True once the client closed or the session ended: nothing more is told. */
  #isAbandoned = false;
  #withdraw: (() => void) | null = null;
  readonly #stuck: StuckWatch;

  /** `socket` must be paused. */
  constructor(id: number, socket: ByteSocket, options: StreamConnectionOptions) {
    this.#id = id;
    this.#socket = socket;
    this.#options = options;
    this.#stuck = new StuckWatch({
      timeoutMs: options.stuckTimeoutMs,
      progress: () => socket.unsentBytes,
      onStuck: () => socket.abort(remoteKindError({ kind: "timedOut" }, "timed out")),
    });
  }

  start(): void {
    this.#socket.reader = {
      bytes: (view) => this.#toClient(view),
      ended: () => {
        // Where our direction has ended, too, the close that follows says it all.
        if (!this.#isAbandoned && !this.#socket.socket.writableFinished) this.#tellRead(new Uint8Array(0));
      },
      drained: () => this.#setPending(0),
      closed: (error) => this.#closed(error),
    };
    if (this.#socket.isClosed) this.#closed(null);
    else this.#socket.resume();
  }

  /** Empty bytes end the client's direction after all earlier ones. */
  write(bytes: Uint8Array, buffer: ReusedBuffer): void {
    if (bytes.length === 0) {
      this.#socket.end();
      return;
    }
    const isKept = { value: false };
    const isDone = this.#socket.write(bytes, {
      keep: () => {
        isKept.value = true;
        if (buffer.lend === undefined) buffer.keep();
        else this.#lent.push(buffer.lend());
      },
    });
    if (!isDone) this.#setPending(this.#pendingBytes + (isKept.value ? this.#countBuffer(bytes.buffer) : bytes.length));
  }

  /** What keeping the receive buffer adds: nothing when the last write lies in it, too. */
  #countBuffer(memory: ArrayBufferLike): number {
    if (memory === this.#countedBuffer) return 0;
    this.#countedBuffer = memory;
    return memory.byteLength;
  }

  close(): void {
    this.#isAbandoned = true;
    this.#withdraw?.();
    this.#options.onGone();
    this.#socket.reader = { bytes: () => true, drained: () => this.#setPending(0), closed: () => this.#over() };
    this.#socket.resume();
    this.#socket.close();
  }

  /** A peer that has not got everything does not see an orderly end. */
  abandon(): void {
    const isIncomplete = this.#socket.backlog > 0;
    this.close();
    if (isIncomplete) this.#socket.abort();
    else this.#socket.destroy();
  }

  #toClient(view: Uint8Array): boolean {
    const { link } = this.#options;
    this.#tellRead(view);
    if (link.hasRoom) return true;
    this.#withdraw = link.whenRoom(() => {
      this.#withdraw = null;
      this.#socket.resume();
    });
    return false;
  }

  #tellRead(bytes: Uint8Array): void {
    this.#tell({ kind: "read", value: { kind: "ok", value: { connectionId: this.#id, bytes } } });
  }

  #tell(message: DaemonTcpOutgoing): void {
    this.#options.link.stream({ kind: "tcpOutgoing", value: message }, this.#socket);
  }

  #over(): void {
    this.#setPending(0);
    this.#stuck[Symbol.dispose]();
    this.#options.onClosed();
  }

  #setPending(bytes: number): void {
    this.#pendingBytes = bytes;
    if (bytes === 0) {
      this.#countedBuffer = null;
      for (const giveBack of this.#lent.splice(0)) giveBack();
    }
    this.#stuck.isWaiting = bytes > 0;
    this.#options.onPending(bytes);
  }

  #closed(error: Error | null): void {
    this.#over();
    this.#withdraw?.();
    this.#options.onGone();
    if (this.#isAbandoned) return;
    if (error !== null) this.#options.link.tell("warn", `outgoing connection ${this.#id} failed: ${systemErrorText(error)} (${KIND_TEXT})`);
    this.#tell({ kind: "close", value: this.#id });
  }
}
