// Connects to a server of the user's.

import { once } from "node:events";
import type { Socket } from "node:net";
import { ViewSocket } from "@understudy/client";
import type { HostPort } from "../hostPort.ts";
import { JOINED_BUFFER_BYTES } from "./joinConnections.ts";

/** The caller owns the socket, which may be half closed. */
export async function connectServer({ host, port }: HostPort): Promise<Socket> {
  const options = { noDelay: true, allowHalfOpen: true, highWaterMark: JOINED_BUFFER_BYTES };
  const socket = new ViewSocket(options).connect({ host, port });
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
