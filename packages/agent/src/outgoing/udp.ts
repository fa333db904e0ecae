// UDP sockets that the agent connects for a client, from the target's network. Datagrams keep their boundaries. What cannot be expressed or
// delivered is dropped, as a network would: a datagram without bytes (the wire's form of an end), one for which the session has no room, one
// that the peer's host refused.

import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { DaemonConnect, DaemonUdpOutgoing, LayerUdpOutgoing, ResponseError, Result, SocketAddress, U64 } from "@understudy/protocol";
import { remoteIoError, remoteKindError, toResponseError } from "../errors/remoteError.ts";
import { systemErrorText } from "../errors/systemErrorText.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import type { CounterFamily, Gauge } from "../metrics/instruments.ts";
import type { DatagramDrop } from "../metrics/metrics.ts";

export interface UdpOutgoingOptions {
  readonly link: SessionLink;
  readonly log: Log;
  /** Sockets of all sessions. */
  readonly connectionCount: Gauge;
  /** Datagrams that were dropped, by the reason. */
  readonly dropped: CounterFamily<DatagramDrop>;
  /** Most sockets of the session. */
  readonly maxConnections: number;
}

const EMFILE = 24;
const ENOTCONN = 107;
/** Datagrams that wait for the kernel at most; UDP has no back pressure, so more are dropped. */
const MAX_WAITING_SENDS = 256;
const MAX_WAITING_BYTES = 256 * 1024;
const KIND_TEXT = "mirrord_agent::outgoing::udp::UdpConnection";

/** All UDP sockets of one session. */
export class UdpOutgoing implements Disposable {
  readonly #options: UdpOutgoingOptions;
  readonly #connections = new Map<U64, Connection>();
  #tail: Promise<void> = Promise.resolve();
  #nextId = 0;
  #connecting = 0;

  constructor(options: UdpOutgoingOptions) {
    this.#options = options;
  }

  handle(message: LayerUdpOutgoing): void {
    switch (message.kind) {
      case "connect": {
        // Without an id of their own, answers keep the order of the requests.
        const address = message.value.remoteAddress;
        this.#tail = this.#tail.then(() => this.#connect(address, (connect) => this.#reply({ kind: "connect", value: connect })));
        return;
      }
      case "connectV2": {
        const { uid, remoteAddress } = message.value;
        void this.#connect(remoteAddress, (connect) => this.#reply({ kind: "connectV2", value: { uid, connect } }));
        return;
      }
      case "write":
        this.#connections.get(message.value.connectionId)?.send(message.value.bytes);
        return;
      case "close":
        this.#connections.get(message.value.connectionId)?.close();
        return;
    }
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections.values()) connection.close();
  }

  async #connect(address: SocketAddress, answer: (connect: Result<DaemonConnect, ResponseError>) => void): Promise<void> {
    const { link, log, connectionCount, dropped, maxConnections } = this.#options;
    if (link.signal.aborted) return;
    this.#connecting += 1;
    try {
      if (address.kind !== "ip") throw remoteKindError({ kind: "other" }, "UDP needs an IP address");
      if (this.#connections.size + this.#connecting > maxConnections) throw remoteIoError(EMFILE, "too many outgoing connections");
      const socket = await connectUdp(address.value);
      if (link.signal.aborted) {
        socket.close();
        return;
      }
      const id = this.#nextId++;
      const [remote, local] = [socket.remoteAddress(), socket.address()];
      answer({ kind: "ok", value: { connectionId: id, remoteAddress: ipAddress(remote), localAddress: ipAddress(local) } });
      const onGone = (): void => {
        if (this.#connections.delete(id)) connectionCount.add(-1);
      };
      this.#connections.set(id, new Connection(id, socket, { link, dropped, onGone }));
      connectionCount.add(1);
    } catch (error) {
      log.debug("outgoing UDP connect failed", { session: link.id, error: String(error) });
      answer({ kind: "err", value: toResponseError(error) });
    } finally {
      this.#connecting -= 1;
    }
  }

  #reply(message: DaemonUdpOutgoing): void {
    this.#options.link.reply({ kind: "udpOutgoing", value: message });
  }
}

function ipAddress({ address, port }: { address: string; port: number }): SocketAddress {
  return { kind: "ip", value: { ip: address.split("%")[0]!, port } };
}

function connectUdp({ ip, port }: { ip: string; port: number }): Promise<Socket> {
  if (port === 0) return Promise.reject(remoteIoError(ENOTCONN, "connect to port 0"));
  const family = isIPv6(ip) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    // The address is one already; the system's resolver, which blocks a pool thread, is never asked.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    // Its type says nothing of the error that the callback is given.
    socket.connect(port, ip, (error?: Error) => {
      socket.off("error", reject);
      if (error === undefined) resolve(socket);
      else reject(error);
    });
  }).catch((error: unknown) => {
    socket.close();
    throw error;
  }) as Promise<Socket>;
}

interface ConnectionOptions {
  readonly link: SessionLink;
  readonly dropped: CounterFamily<DatagramDrop>;
  readonly onGone: () => void;
}

class Connection {
  readonly #id: number;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  #waitingSends = 0;
  #isSendingEnded = false;
  #isClosed = false;
  /** Why the next datagram ends the connection. */
  #failure: Error | null = null;

  constructor(id: number, socket: Socket, options: ConnectionOptions) {
    this.#id = id;
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (bytes) => this.#received(bytes));
    // An ICMP error on a connected socket says that one datagram was lost, not that the next one will be.
    socket.on("error", () => undefined);
  }

  /** Empty bytes end sending. A datagram that is too large is noticed by the one after it. */
  send(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isSendingEnded) return;
    if (this.#failure !== null) return this.#fail(this.#failure);
    if (bytes.length === 0) {
      this.#isSendingEnded = true;
      return;
    }
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

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
    this.#options.onGone();
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
