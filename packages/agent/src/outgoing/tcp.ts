// TCP and unix stream connections that the agent makes for a client, from the target's network and file system. What one connection does is in
// `streamConnection.ts`.

import type { LayerTcpOutgoing, SocketAddress } from "@understudy/protocol";
import type { ReusedBuffer } from "../link/sessionLink.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import type { WaitingBytes } from "../task/waitingBytes.ts";
import { type Connected, ConnectionTable, type OutgoingOptions, connectAnswer } from "./connectionTable.ts";
import { StreamConnection } from "./streamConnection.ts";
import { connectTcp } from "./tcpConnect.ts";
import { type ConnectedStream, connectUnixStream } from "./unixStream.ts";

export interface TcpOutgoingOptions extends OutgoingOptions {
  readonly buffers: ReceiveBuffers;
  /** Time for a connection to be made, in ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Time that a peer may take none of what is written to it, in ms. Default 30,000. */
  readonly stuckTimeoutMs?: number;
  /** Counts what waits for the session's peers. */
  readonly waiting: WaitingBytes;
  /** Finds a path of the target; resolves to an O_PATH descriptor, which is the caller's to close. */
  readonly locate: (path: string) => Promise<number>;
}

/** All TCP and unix stream connections of one session. */
export class TcpOutgoing implements Disposable {
  readonly #options: Required<TcpOutgoingOptions>;
  readonly #connections: ConnectionTable<StreamConnection>;

  constructor(options: TcpOutgoingOptions) {
    this.#options = { networkRefusal: null, connectTimeoutMs: 5000, stuckTimeoutMs: 30_000, ...options };
    const { link } = options;
    this.#connections = new ConnectionTable({
      ...options,
      connect: (address) => this.#connect(address),
      answer: (uid, connect) => link.reply({ kind: "tcpOutgoing", value: connectAnswer(uid, connect) }),
    });
  }

  /** `buffer` owns the bytes of a write. */
  handle(message: LayerTcpOutgoing, buffer: ReusedBuffer): void {
    switch (message.kind) {
      case "connect":
        this.#connections.connect(null, message.value.remoteAddress);
        return;
      case "connectV2":
        this.#connections.connect(message.value.uid, message.value.remoteAddress);
        return;
      case "write":
        this.#connections.get(message.value.connectionId)?.write(message.value.bytes, buffer);
        return;
      case "close":
        this.#connections.get(message.value.connectionId)?.close();
        return;
    }
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  async #connect(address: SocketAddress): Promise<Connected<StreamConnection>> {
    const { link, stuckTimeoutMs, waiting } = this.#options;
    const { socket, remoteAddress, localAddress } = await this.#connectStream(address);
    return {
      remoteAddress,
      localAddress,
      open: (id, events) => new StreamConnection(id, socket, { link, stuckTimeoutMs, onPending: waiting.track(), ...events }),
      discard: () => socket.destroy(),
    };
  }

  #connectStream(address: SocketAddress): Promise<ConnectedStream> {
    const { link, locate, connectTimeoutMs: timeoutMs, buffers } = this.#options;
    const { signal } = link;
    return address.kind === "unix"
      ? connectUnixStream(address.value, { locate, timeoutMs, signal }, buffers)
      : connectTcp(address.value, { timeoutMs, signal, buffers });
  }
}
