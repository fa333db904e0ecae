// Joins a stolen raw connection with a server of this machine.

import { once } from "node:events";
import { connect } from "node:net";
import { pipeline } from "node:stream/promises";
import type { ConnectionStream } from "../connectionStream.ts";
import type { HostPort } from "./hostPort.ts";

/** Resolves when both directions have ended, with the bytes of each; rejects when the server cannot be reached or either side breaks. Owns `peer`. */
export async function forwardTcp(
  peer: ConnectionStream,
  { host, port }: HostPort,
): Promise<{ readonly received: number; readonly sent: number }> {
  const server = connect({ host, port, noDelay: true, allowHalfOpen: true });
  // `pipeline` reports them; without a listener of our own one that comes between the steps would be uncaught.
  server.on("error", () => undefined);
  try {
    await once(server, "connect");
    await Promise.all([pipeline(peer, server), pipeline(server, peer)]);
    return { received: server.bytesWritten, sent: server.bytesRead };
  } finally {
    server.destroy();
    peer.destroy();
  }
}
