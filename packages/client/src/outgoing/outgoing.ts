// Connections that the agent makes for this client. Answers with a uid may come in any order, answers of old agents come in order.

import type {
  ClientMessage,
  ConnectionId,
  DaemonConnect,
  DaemonTcpOutgoing,
  LayerTcpOutgoing,
  ResponseError,
  Result,
  SocketAddr,
  SocketAddress,
  VersionGate,
} from "@understudy/protocol";
import type { AgentLink } from "../agentLink.ts";
import type { ConnectionEvents, ConnectionWire } from "../connectionStream.ts";
import { AgentError } from "../errors.ts";
import type { ReceiveBudget } from "../receiveBudget.ts";
import { addressText } from "../responseErrorText.ts";
import { DatagramConnection } from "./datagramConnection.ts";
import { PacketConnection } from "./packetConnection.ts";
import { TcpConnection } from "./tcpConnection.ts";

/** A port of an IP address, a unix socket by its path in the target, or an abstract one by its name without the leading NUL. */
export type PeerAddress = SocketAddr | UnixPeerAddress;
export type UnixPeerAddress = { readonly path: string } | { readonly abstract: Uint8Array };

export interface ConnectOptions {
  /** Gives up waiting; a connection that is made later is closed. */
  readonly signal?: AbortSignal | undefined;
}

type Kind = "tcp" | "udp" | "seqpacket";
interface PendingConnect {
  /** Called as the answer is read: the next message may already be data of the connection. */
  settle(answer: Result<DaemonConnect, ResponseError>): void;
  fail(reason: Error): void;
}

/** All outgoing connections of one session. */
export class Outgoing {
  readonly #link: AgentLink;
  readonly #budget: ReceiveBudget;
  readonly #allows: (gate: VersionGate) => boolean;
  readonly #connections: Readonly<Record<Kind, Map<ConnectionId, ConnectionEvents>>> = {
    tcp: new Map(),
    udp: new Map(),
    seqpacket: new Map(),
  };
  readonly #byUid = new Map<bigint, PendingConnect>();
  readonly #inOrder: Record<Kind, PendingConnect[]> = { tcp: [], udp: [], seqpacket: [] };
  #nextUid = 1n;

  constructor(link: AgentLink, budget: ReceiveBudget, allows: (gate: VersionGate) => boolean) {
    this.#link = link;
    this.#budget = budget;
    this.#allows = allows;
  }

  connectTcp(address: PeerAddress, options: ConnectOptions): Promise<TcpConnection> {
    return this.#connect("tcp", socketAddress(address), options, (connect, wire) => new TcpConnection(connect, wire, this.#budget));
  }

  connectUdp(address: SocketAddr, options: ConnectOptions): Promise<DatagramConnection> {
    return this.#connect("udp", socketAddress(address), options, (connect, wire) => new DatagramConnection(connect, wire));
  }

  /** The agent must know `outgoingSeqpacket`. */
  connectSeqpacket(address: UnixPeerAddress, options: ConnectOptions): Promise<PacketConnection> {
    const make = (connect: DaemonConnect, wire: ConnectionWire): PacketConnection => new PacketConnection(connect, wire, this.#budget);
    return this.#connect("seqpacket", socketAddress(address), options, make);
  }

  /** Messages of the other kinds have the same form. False for an answer that nobody asked for. */
  handle(kind: Kind, message: DaemonTcpOutgoing): boolean {
    switch (message.kind) {
      case "connect": {
        const pending = this.#inOrder[kind].shift();
        pending?.settle(message.value);
        return pending !== undefined;
      }
      case "connectV2": {
        const { uid, connect } = message.value;
        const pending = this.#byUid.get(uid);
        this.#byUid.delete(uid);
        pending?.settle(connect);
        return pending !== undefined;
      }
      case "read": {
        if (message.value.kind === "err") return false;
        const { connectionId, bytes } = message.value.value;
        // Data of a connection that was closed here meanwhile has no receiver.
        const connection = this.#connections[kind].get(connectionId);
        if (bytes.length === 0) connection?.receivedEnd();
        else connection?.received(bytes);
        return true;
      }
      case "close": {
        const connection = this.#connections[kind].get(message.value);
        this.#connections[kind].delete(message.value);
        connection?.closedByAgent();
        return true;
      }
    }
  }

  fail(reason: Error): void {
    const pending = [...this.#byUid.values(), ...this.#inOrder.tcp, ...this.#inOrder.udp];
    this.#byUid.clear();
    this.#inOrder.tcp = [];
    this.#inOrder.udp = [];
    for (const one of pending) one.fail(reason);
    for (const connections of Object.values(this.#connections)) {
      for (const connection of connections.values()) connection.sessionEnded(reason);
    }
  }

  async #connect<C extends ConnectionEvents & { destroy(): unknown }>(
    kind: Kind,
    remoteAddress: SocketAddress,
    { signal }: ConnectOptions,
    make: (connect: DaemonConnect, wire: ConnectionWire) => C,
  ): Promise<C> {
    signal?.throwIfAborted();
    if (this.#link.end !== null) throw this.#link.end;
    const { promise, resolve, reject } = Promise.withResolvers<C>();
    let isAbandoned = false;
    const onAbort = (): void => {
      isAbandoned = true;
      reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
    };
    const pending: PendingConnect = {
      settle: (answer) => {
        if (answer.kind === "err") return reject(new AgentError(`connect to ${addressText(remoteAddress)}`, answer.value));
        const { connectionId } = answer.value;
        const forget = (isOver: boolean): void => {
          this.#connections[kind].delete(connectionId);
          if (!isOver) this.#link.post(outgoingMessage(kind, { kind: "close", value: { connectionId } }));
        };
        if (isAbandoned) return forget(false);
        const connection = make(answer.value, {
          send: (bytes, onWritten) => this.#link.post(outgoingMessage(kind, { kind: "write", value: { connectionId, bytes } }), onWritten),
          forget,
        });
        this.#connections[kind].set(connectionId, connection);
        resolve(connection);
      },
      fail: reject,
    };
    if (this.#allows("outgoingConnectV2")) {
      const uid = this.#nextUid++;
      this.#link.post(outgoingMessage(kind, { kind: "connectV2", value: { uid, remoteAddress } }));
      this.#byUid.set(uid, pending);
    } else {
      this.#link.post(outgoingMessage(kind, { kind: "connect", value: { remoteAddress } }));
      this.#inOrder[kind].push(pending);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

function outgoingMessage(kind: Kind, value: LayerTcpOutgoing): ClientMessage {
  if (kind === "tcp") return { kind: "tcpOutgoing", value };
  if (kind === "udp") return { kind: "udpOutgoing", value };
  if (value.kind === "connect") throw new TypeError("a seqpacket connect has a uid");
  return { kind: "seqpacketOutgoing", value };
}

function socketAddress(address: PeerAddress): SocketAddress {
  if ("path" in address) return { kind: "unix", value: { kind: "pathname", value: address.path } };
  if ("abstract" in address) return { kind: "unix", value: { kind: "abstract", value: address.abstract } };
  return { kind: "ip", value: address };
}
