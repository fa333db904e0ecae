// A unix stream connection as the byte socket that TCP connections are, so that everything after the connect is the same for both.

import { Socket } from "node:net";
import { closeSocket } from "@understudy/native";
import type { SocketAddress, UnixAddr } from "@understudy/protocol";
import { ByteSocket } from "../socket/byteSocket.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { connectUnix, type UnixConnectOptions, unnamed } from "./unixConnect.ts";

export interface ConnectedStream {
  /** Paused: nothing is read before its reader is set and it is resumed. */
  readonly socket: ByteSocket;
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
}

/** Rejects as `connectUnix`. Set the reader in the turn in which it resolves. */
export async function connectUnixStream(address: UnixAddr, options: UnixConnectOptions, buffers: ReceiveBuffers): Promise<ConnectedStream> {
  const { fd, peer } = await connectUnix(address, "stream", options);
  const socket = openStream(fd, buffers);
  socket.pause();
  return { socket, remoteAddress: peer, localAddress: unnamed };
}

function openStream(fd: number, buffers: ReceiveBuffers): ByteSocket {
  try {
    return new ByteSocket((onread) => new Socket({ fd, readable: true, writable: true, allowHalfOpen: true, onread }), buffers, {
      bytes: () => false,
    });
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}
