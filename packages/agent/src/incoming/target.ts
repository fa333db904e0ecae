// The agent's own connections to the target, for traffic that nobody steals.

import { connect, isIPv6 } from "node:net";
import { ByteSocket, type SocketReader } from "../socket/byteSocket.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import type { Arrival } from "./arrival.ts";

/** Time for the target to accept, in ms. It is on the same machine: what takes longer will not happen. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface TargetOptions {
  /** True: connect to the address that the peer asked for. False: to loopback, with the same port. */
  readonly keepAddress: boolean;
  readonly buffers: ReceiveBuffers;
}

/** What came of a connect; a connection that was made and then lost is not `failed`. */
export interface TargetConnection {
  readonly socket: ByteSocket;
  readonly isConnected: boolean;
  /** `ip:port`, for messages. */
  readonly address: string;
}

/** Connects at once; what is written meanwhile is sent when the target has accepted. */
export function connectTarget({ original }: Arrival, { keepAddress, buffers }: TargetOptions, reader: SocketReader): TargetConnection {
  const isV6 = isIPv6(original.ip);
  const host = keepAddress ? original.ip : isV6 ? "::1" : "127.0.0.1";
  let isConnected = false;
  const socket = new ByteSocket(
    (onread) => connect({ host, port: original.port, family: isV6 ? 6 : 4, allowHalfOpen: true, noDelay: true, onread }),
    buffers,
    reader,
  );
  const timer = setTimeout(() => socket.socket.destroy(new Error("connect timed out")), CONNECT_TIMEOUT_MS);
  socket.socket.once("connect", () => {
    isConnected = true;
    clearTimeout(timer);
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
