// Unix seqpacket sockets that the agent connects for a client, from the target's file system and network. What one connection does is in
// `packetConnection.ts`.

import { closeSocket } from "@understudy/native";
import type { LayerSeqpacket, SocketAddress } from "@understudy/protocol";
import { remoteKindError } from "../errors/remoteError.ts";
import type { Counter } from "../metrics/instruments.ts";
import type { WaitingBytes } from "../task/waitingBytes.ts";
import { type Connected, ConnectionTable, type OutgoingOptions } from "./connectionTable.ts";
import { PacketConnection } from "./packetConnection.ts";
import { connectUnix, unnamed } from "./unixConnect.ts";

export interface SeqpacketOutgoingOptions extends OutgoingOptions {
  /** Packets without bytes, which the wire cannot express. */
  readonly droppedEmpty: Counter;
  /** Time for a connection to be made, in ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Time that a peer may take none of what is written to it, in ms. Default 30,000. */
  readonly stuckTimeoutMs?: number;
  /** Counts what waits for the session's peers. */
  readonly waiting: WaitingBytes;
  /** Finds a path of the target; resolves to an O_PATH descriptor, which is the caller's to close. */
  readonly locate: (path: string) => Promise<number>;
}

/** All seqpacket connections of one session. */
export class SeqpacketOutgoing implements Disposable {
  readonly #options: Required<SeqpacketOutgoingOptions>;
  readonly #connections: ConnectionTable<PacketConnection>;

  constructor(options: SeqpacketOutgoingOptions) {
    this.#options = { networkRefusal: null, connectTimeoutMs: 5000, stuckTimeoutMs: 30_000, ...options };
    this.#connections = new ConnectionTable({
      ...options,
      connect: (address) => this.#connect(address),
      // The wire has connects with an id only.
      answer: (uid, connect) =>
        options.link.reply({ kind: "seqpacketOutgoing", value: { kind: "connectV2", value: { uid: uid!, connect } } }),
    });
  }

  handle(message: LayerSeqpacket): void {
    switch (message.kind) {
      case "connectV2":
        this.#connections.connect(message.value.uid, message.value.remoteAddress);
        return;
      case "write":
        this.#connections.get(message.value.connectionId)?.send(message.value.bytes);
        return;
      case "close":
        this.#connections.get(message.value.connectionId)?.close();
        return;
    }
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  async #connect(address: SocketAddress): Promise<Connected<PacketConnection>> {
    const { link, locate, connectTimeoutMs, droppedEmpty, stuckTimeoutMs, waiting } = this.#options;
    if (address.kind !== "unix") throw remoteKindError({ kind: "other" }, "seqpacket needs a unix address");
    const { fd } = await connectUnix(address.value, "seqpacket", { locate, timeoutMs: connectTimeoutMs, signal: link.signal });
    return {
      // Unlike a stream's, the address is the one asked for.
      remoteAddress: address,
      localAddress: unnamed,
      open: (id, events) => new PacketConnection(id, fd, { link, stuckTimeoutMs, droppedEmpty, onPending: waiting.track(), ...events }),
      discard: () => closeSocket(fd),
    };
  }
}
