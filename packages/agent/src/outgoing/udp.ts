// UDP sockets that the agent connects for a client, from the target's network. Datagrams keep their boundaries. What cannot be expressed or
// delivered is dropped, as a network would: a datagram without bytes (the wire's form of an end), one for which the session has no room, one
// that the peer's host refused.

import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { EMSGSIZE, ENOTCONN, sendNow } from "@understudy/native";
import type { LayerUdpOutgoing, SocketAddr, SocketAddress } from "@understudy/protocol";
import { errnoOf, remoteIoError, remoteKindError } from "../errors/remoteError.ts";
import { systemErrorText } from "../errors/systemErrorText.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { CounterFamily } from "../metrics/instruments.ts";
import type { DatagramDrop } from "../metrics/metrics.ts";
import {
  type Connected,
  type Connection,
  type ConnectionEvents,
  ConnectionTable,
  type OutgoingOptions,
  connectAnswer,
} from "./connectionTable.ts";
import { withScope } from "./linkLocal.ts";

export interface UdpOutgoingOptions extends OutgoingOptions {
  /** Datagrams that were dropped, by the reason. */
  readonly dropped: CounterFamily<DatagramDrop>;
}

/** Datagrams that wait for the kernel at most; UDP has no back pressure, so more are dropped. */
const MAX_WAITING_SENDS = 256;
const MAX_WAITING_BYTES = 256 * 1024;
const KIND_TEXT = "mirrord_agent::outgoing::udp::UdpConnection";

/** All UDP sockets of one session. */
export class UdpOutgoing implements Disposable {
  readonly #options: UdpOutgoingOptions;
  readonly #connections: ConnectionTable<UdpConnection>;

  constructor(options: UdpOutgoingOptions) {
    this.#options = options;
    const { link } = options;
    this.#connections = new ConnectionTable({
      ...options,
      connect: (address) => this.#connect(address),
      answer: (uid, connect) => link.reply({ kind: "udpOutgoing", value: connectAnswer(uid, connect) }),
    });
  }

  handle(message: LayerUdpOutgoing): void {
    switch (message.kind) {
      case "connect":
        this.#connections.connect(null, message.value.remoteAddress);
        return;
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

  async #connect(address: SocketAddress): Promise<Connected<UdpConnection>> {
    const { link, dropped } = this.#options;
    if (address.kind !== "ip") throw remoteKindError({ kind: "other" }, "UDP needs an IP address");
    const socket = await connectUdp(address.value);
    return {
      remoteAddress: ipAddress(socket.remoteAddress()),
      localAddress: ipAddress(socket.address()),
      open: (id, events) => new UdpConnection(id, socket, { link, dropped, ...events }),
      discard: () => socket.close(),
    };
  }
}

function ipAddress({ address, port }: { address: string; port: number }): SocketAddress {
  return { kind: "ip", value: { ip: address.split("%")[0]!, port } };
}

async function connectUdp({ ip, port }: SocketAddr): Promise<Socket> {
  if (port === 0) throw remoteIoError(ENOTCONN, "connect to port 0");
  const host = withScope(ip);
  const family = isIPv6(ip) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    // The address is one already; the system's resolver, which blocks a pool thread, is never asked.
    lookup: (address, _options, callback) => callback(null, address, family),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      // Its type says nothing of the error that the callback is given.
      socket.connect(port, host, (error?: Error) => (error === undefined ? resolve() : reject(error)));
    });
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.removeAllListeners("error");
  return socket;
}

/** A socket's descriptor, which is no public property; the version of Node is pinned, and tests use it. -1 where there is none. */
function descriptorOf(socket: Socket): number {
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "state symbol");
  if (state === undefined) return -1;
  return (socket as unknown as Record<symbol, { readonly handle: { readonly fd: number } | null }>)[state]?.handle?.fd ?? -1;
}

interface UdpConnectionOptions extends ConnectionEvents {
  readonly link: SessionLink;
  readonly dropped: CounterFamily<DatagramDrop>;
}

class UdpConnection implements Connection {
  readonly #id: number;
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #options: UdpConnectionOptions;
  #waitingSends = 0;
  #isSendingEnded = false;
  #isClosed = false;
  /** Why the next datagram ends the connection. */
  #failure: Error | null = null;

  constructor(id: number, socket: Socket, options: UdpConnectionOptions) {
    this.#id = id;
    this.#socket = socket;
    this.#fd = descriptorOf(socket);
    this.#options = options;
  }

  start(): void {
    this.#socket.on("message", (bytes) => this.#received(bytes));
    // An ICMP error on a connected socket says that one datagram was lost, not that the next one will be.
    this.#socket.on("error", () => undefined);
  }

  /** Empty bytes end sending. A datagram that is too large is noticed by the one after it. */
  send(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isSendingEnded) return;
    if (this.#failure !== null) return this.#fail(this.#failure);
    if (bytes.length === 0) {
      this.#isSendingEnded = true;
      return;
    }
    if (this.#isSentNow(bytes)) return;
    if (this.#waitingSends >= MAX_WAITING_SENDS || this.#socket.getSendQueueSize() >= MAX_WAITING_BYTES) {
      this.#options.dropped.with("socket_full").add();
      return;
    }
    this.#waitingSends += 1;
    this.#socket.send(bytes, (error) => {
      this.#waitingSends -= 1;
      if (error !== null && "code" in error && error.code === "EMSGSIZE") this.#failure = error;
    });
  }

  /**
   * Gives a datagram to the kernel, without the machinery for those that must wait, which costs several times what the call does. Returns false where it must wait. As everywhere
   * here, one that fails is a lost one.
   */
  #isSentNow(bytes: Uint8Array): boolean {
    if (this.#waitingSends > 0 || this.#fd < 0) return false;
    try {
      return sendNow(this.#fd, bytes) === bytes.length;
    } catch (error) {
      if (errnoOf(error) === EMSGSIZE) this.#failure = error as Error;
      return true;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
    this.#options.onGone();
    this.#options.onClosed();
  }

  abandon(): void {
    this.close();
  }

  #received(bytes: Uint8Array): void {
    const { link, dropped } = this.#options;
    if (this.#isClosed) return;
    if (bytes.length === 0) dropped.with("empty").add();
    else if (!link.hasRoom) dropped.with("client_full").add();
    else link.stream({ kind: "udpOutgoing", value: { kind: "read", value: { kind: "ok", value: { connectionId: this.#id, bytes } } } });
  }

  #fail(error: Error): void {
    const { link } = this.#options;
    this.close();
    link.tell("warn", `outgoing connection ${this.#id} failed: ${systemErrorText(error)} (${KIND_TEXT})`);
    link.stream({ kind: "udpOutgoing", value: { kind: "close", value: this.#id } });
  }
}
