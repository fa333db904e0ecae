// Joins a connection of a peer with one of a server: each direction ends on its own, and what breaks one breaks the other.

import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Owns both. Resolves when both directions have ended; rejects when either side breaks. */
export async function joinConnections(peer: Duplex, server: Duplex): Promise<void> {
  try {
    await Promise.all([pipeline(peer, server), pipeline(server, peer)]);
  } finally {
    server.destroy();
    peer.destroy();
  }
}
