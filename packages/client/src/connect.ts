// How a session begins.

import { once } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ViewSocket } from "./viewSocket.ts";
import { SessionClosedError } from "./errors.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface ConnectAgentOptions extends SessionOptions {
  readonly host: string;
  readonly port: number;
}

/**
 * Connects to an agent's port and opens a session.
 * @throws SessionClosedError when the agent does not answer as one; the system's error when it cannot be reached.
 */
export async function connectAgent({ host, port, ...options }: ConnectAgentOptions): Promise<Session> {
  return await openSession(await connectSocket({ host, port }, options.signal), options);
}

/** A TCP connection as sessions want theirs. Rejects with the system's error, or the reason of `signal`. */
export async function connectSocket(address: { readonly host: string; readonly port: number }, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted();
  const socket = new ViewSocket({ noDelay: true, keepAlive: true }).connect({ host: address.host, port: address.port });
  try {
    await once(socket, "connect", signal === undefined ? {} : { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Opens a session over a connection that exists: agrees on a version and asks for the agent's log messages. Owns `stream`, also when it fails.
 * @throws SessionClosedError when the agent does not answer as one.
 */
export async function openSession(stream: Duplex, options: SessionOptions = {}): Promise<Session> {
  if (stream.destroyed || !stream.readable || !stream.writable) {
    stream.destroy();
    throw new SessionClosedError("connectionLost", "the connection to the agent was closed");
  }
  const session = new Session(stream, options);
  await session.negotiate();
  return session;
}
