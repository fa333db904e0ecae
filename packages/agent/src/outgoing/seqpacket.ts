// Unix seqpacket sockets that the agent connects for a client, from the target's file system and network. What one connection does is in
// `packetConnection.ts`.

import { closeSocket } from "@understudy/native";
import type { DaemonConnect, DaemonSeqpacket, LayerSeqpacket, ResponseError, Result, SocketAddress, U64 } from "@understudy/protocol";
import { remoteIoError, remoteKindError, toResponseError } from "../errors/remoteError.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import type { Counter, Gauge } from "../metrics/instruments.ts";
import { PacketConnection } from "./packetConnection.ts";
import { connectUnix, unnamed } from "./unixConnect.ts";
import type { WaitingBytes } from "./waitingBytes.ts";

export interface SeqpacketOutgoingOptions {
  readonly link: SessionLink;
  readonly log: Log;
  /** Connections of all sessions. */
  readonly connectionCount: Gauge;
  /** Packets without bytes, which the wire cannot express. */
  readonly droppedEmpty: Counter;
  /** Time for a connection to be made, in ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Time that a peer may take none of what is written to it, in ms. Default 30,000. */
  readonly stuckTimeoutMs?: number;
  /** Most connections of the session, those being made included. */
  readonly maxConnections: number;
  /** Counts what waits for the session's peers. */
  readonly waiting: WaitingBytes;
  /** Finds a path of the target; resolves to an O_PATH descriptor, which is the caller's to close. */
  readonly locate: (path: string) => Promise<number>;
}

const EMFILE = 24;

/** All seqpacket connections of one session. */
export class SeqpacketOutgoing implements Disposable {
  readonly #options: Required<SeqpacketOutgoingOptions>;
  readonly #connections = new Map<U64, PacketConnection>();
  /** Those above and those that the client closed while packets wait. */
  readonly #open = new Set<PacketConnection>();
  #nextId = 0;
  #connecting = 0;

  constructor(options: SeqpacketOutgoingOptions) {
    this.#options = { connectTimeoutMs: 5000, stuckTimeoutMs: 30_000, ...options };
  }

  handle(message: LayerSeqpacket): void {
    switch (message.kind) {
      case "connectV2":
        void this.#connect(message.value.uid, message.value.remoteAddress);
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
    for (const connection of this.#open) connection.abandon();
  }

  /** Connects and answers. The answer goes out before the connection may bring data. */
  async #connect(uid: bigint, address: SocketAddress): Promise<void> {
    const { link, log, locate, connectTimeoutMs, maxConnections } = this.#options;
    const answer = (connect: Result<DaemonConnect, ResponseError>): void => this.#reply({ kind: "connectV2", value: { uid, connect } });
    this.#connecting += 1;
    try {
      if (address.kind !== "unix") throw remoteKindError({ kind: "other" }, "seqpacket needs a unix address");
      if (this.#open.size + this.#connecting > maxConnections) throw remoteIoError(EMFILE, "too many outgoing connections");
      const { fd } = await connectUnix(address.value, "seqpacket", { locate, timeoutMs: connectTimeoutMs, signal: link.signal });
      if (link.signal.aborted) {
        closeSocket(fd);
        return;
      }
      const connectionId = this.#nextId++;
      // Unlike a stream's, the address is the one asked for.
      answer({ kind: "ok", value: { connectionId, remoteAddress: address, localAddress: unnamed } });
      this.#adopt(connectionId, fd);
    } catch (error) {
      log.debug("outgoing seqpacket connect failed", { session: link.id, error: String(error) });
      answer({ kind: "err", value: toResponseError(error) });
    } finally {
      this.#connecting -= 1;
    }
  }

  #adopt(id: number, fd: number): void {
    const { link, connectionCount, droppedEmpty, stuckTimeoutMs, waiting } = this.#options;
    const connection = new PacketConnection(id, fd, {
      link,
      stuckTimeoutMs,
      droppedEmpty,
      onPending: waiting.track(),
      onGone: () => {
        if (this.#connections.delete(id)) connectionCount.add(-1);
      },
      onClosed: () => this.#open.delete(connection),
    });
    this.#connections.set(id, connection);
    this.#open.add(connection);
    connectionCount.add(1);
  }

  #reply(message: DaemonSeqpacket): void {
    this.#options.link.reply({ kind: "seqpacketOutgoing", value: message });
  }
}
