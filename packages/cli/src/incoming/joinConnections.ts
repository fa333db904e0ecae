// Joins a connection of the agent with one of this machine: each direction ends on its own and goes at the pace of its receiver, and what breaks one
// breaks the other.

import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import { type ConnectionStream, ViewSocket } from "@understudy/client";

/** Most bytes on their way into or out of a socket of this machine. With less, either side often waits for the other. */
export const JOINED_BUFFER_BYTES = 256 * 1024;

/** Owns both. Resolves when both directions have ended; rejects when either side breaks. Fast where `other` is a `ViewSocket`. */
export async function joinConnections(connection: ConnectionStream, other: Duplex): Promise<void> {
  try {
    connection.deliverTo(other);
    if (other instanceof ViewSocket) connection.deliverFrom(other);
    else other.pipe(connection);
    await Promise.all([finished(connection), finished(other)]);
  } finally {
    connection.destroy();
    other.destroy();
  }
}
