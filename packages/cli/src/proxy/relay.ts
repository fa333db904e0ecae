// Joins a connection of this machine with one of the agent's: bytes and ends go both ways, each direction at the pace of its receiver.

import { createServer, type Server, type Socket } from "node:net";
import { type TcpConnection, ViewSocket } from "@understudy/client";
import { JOINED_BUFFER_BYTES, joinConnections } from "../incoming/joinConnections.ts";

/** A server for connections that `relay` is to join. Nothing of them is read before there is somewhere to write it. */
export function relayServer(onConnection: (socket: Socket) => void): Server {
  const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true, highWaterMark: JOINED_BUFFER_BYTES };
  return createServer(options, (socket) => onConnection(ViewSocket.accepted(socket) ?? socket));
}

/**
 * Resolves when both directions have ended; rejects when either side breaks, which ends the other. Owns both.
 * A reset of the agent's side becomes one here. The protocol cannot tell one the other way: the agent's peer sees an end.
 */
export async function relay(socket: Socket, connection: TcpConnection): Promise<void> {
  // Before it would be ended as if all had come.
  connection.once("error", () => socket.resetAndDestroy());
  await joinConnections(connection, socket);
}

/** A signal that aborts when the socket is gone, and when `signal` aborts. For what is done for its peer before `relay`. */
export function whileOpen(socket: Socket, signal: AbortSignal): AbortSignal {
  const closed = new AbortController();
  const end = (): void => closed.abort(new Error("the client left"));
  if (socket.destroyed) end();
  socket.once("close", end);
  return AbortSignal.any([signal, closed.signal]);
}
