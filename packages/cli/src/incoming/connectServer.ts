// Connects to a server of the user's.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { HostPort } from "../hostPort.ts";

/** The caller owns the socket, which may be half closed. */
export async function connectServer({ host, port }: HostPort): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
  // Whoever uses it is told of errors; one that comes between two users would be uncaught.
  socket.on("error", () => undefined);
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
