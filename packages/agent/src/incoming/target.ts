// The agent's own connections to the target, for traffic that nobody steals.

import { type OnReadOpts, Socket, connect, isIPv6 } from "node:net";
import { markedTcpSocket } from "@understudy/native";
import { ByteSocket, type SocketReader } from "../socket/byteSocket.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import type { Arrival } from "./arrival.ts";

/** Time for the target to accept, in ms. It is on the same machine: what takes longer will not happen. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface TargetOptions {
  /** True: connect to the address that the peer asked for. False: to loopback, with the same port. */
  readonly keepAddress: boolean;
  /** Firewall mark of connections that keep the address, where redirect rules need one to let them pass; else null. */
  readonly mark: number | null;
  readonly buffers: ReceiveBuffers;
}

/** What came of a connect; a connection that was made and then lost is not `failed`. */
export interface TargetConnection {
  readonly socket: ByteSocket;
  readonly isConnected: boolean;
  /** `ip:port`, for messages. */
  readonly address: string;
}

/** Connects at once; what is written meanwhile is sent when the target has accepted. What came with TLS goes on with TLS. */
export function connectTarget(
  { original, tls }: Arrival,
  { keepAddress, mark, buffers }: TargetOptions,
  reader: SocketReader,
): TargetConnection {
  const isV6 = isIPv6(original.ip);
  const host = keepAddress ? original.ip : isV6 ? "::1" : "127.0.0.1";
  let isConnected = false;
  const address: Address = { host, port: original.port, family: isV6 ? 6 : 4 };
  const open = (onread?: OnReadOpts): Socket =>
    keepAddress && mark !== null
      ? connectMarked(address, mark, onread)
      : connect({ ...address, allowHalfOpen: true, noDelay: true, ...(onread && { onread }) });
  const socket =
    tls === null
      ? new ByteSocket(open, buffers, reader)
      : ByteSocket.over(tls.toTarget.secure(open(), tls.serverName ?? original.ip, tls.alpn), reader);
  const timer = setTimeout(() => socket.socket.destroy(new Error("connect timed out")), CONNECT_TIMEOUT_MS);
  socket.socket.once(tls === null ? "connect" : "secureConnect", () => {
    isConnected = true;
    clearTimeout(timer);
  });
  let hasSpoken = false;
  if (tls !== null) socket.socket.once("data", () => (hasSpoken = true));
  socket.socket.once("error", ({ code = "" }: NodeJS.ErrnoException) => {
    // One that accepts and resets at once may never have looked connected.
    if (code === "ECONNRESET") isConnected = true;
    // In TLS 1.3 a target tells only after the handshake that it does not take the agent's certificate.
    else if (!hasSpoken && code.startsWith("ERR_SSL_")) isConnected = false;
  });
  socket.socket.once("close", () => clearTimeout(timer));
  return {
    socket,
    get isConnected() {
      return isConnected;
    },
    address: isV6 ? `[${host}]:${original.port}` : `${host}:${original.port}`,
  };
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** As `connect` of `node:net`, with a mark that is there before the first packet. */
function connectMarked(address: Address, mark: number, onread?: OnReadOpts): Socket {
  let fd: number;
  try {
    fd = markedTcpSocket(address.family, mark);
  } catch (error) {
    return new Socket().destroy(error instanceof Error ? error : new Error(String(error)));
  }
  // `manualStart` is not documented: without it the socket would be read before it is connected, which ends it.
  const options = { fd, readable: true, writable: true, allowHalfOpen: true, manualStart: true, ...(onread && { onread }) };
  const socket = new Socket(options);
  socket.setNoDelay(true);
  return socket.connect(address);
}

/** Lets go of a connection that turned out not to be needed. */
export function dropTarget({ socket }: TargetConnection): void {
  socket.reader = { bytes: () => true };
  socket.close();
}
