// A server on this machine whose life is a command's: it listens, knows its connections, and takes them with it.

import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { failureText } from "../failureText.ts";
import { formatHostPort, type HostPort } from "../hostPort.ts";

/** Most connections at once. The agent has limits of its own, which it tells. */
const CONNECTIONS_MAX = 2048;

/** Owns the server and its connections. */
export class LocalServer implements AsyncDisposable {
  /** Where it listens; with the port that was chosen, where 0 was asked for. */
  readonly address: HostPort;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>, address: HostPort) {
    this.#server = server;
    this.#sockets = sockets;
    this.address = address;
  }

  /**
   * Listens; `server` may be of `node:net` or `node:http`.
   * @throws Error of one sentence that says what to do.
   */
  static async listen(server: Server, { host, port }: HostPort): Promise<LocalServer> {
    const sockets = new Set<Socket>();
    server.maxConnections = CONNECTIONS_MAX;
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    try {
      server.listen({ host, port });
      await once(server, "listening");
    } catch (error) {
      throw listenError(error, { host, port });
    }
    // Such as too many open files: the next connection is accepted when there are fewer.
    server.on("error", () => undefined);
    return new LocalServer(server, sockets, { host, port: (server.address() as AddressInfo).port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Says why nothing can listen at an address, of any protocol. */
export function listenError(cause: unknown, { host, port }: HostPort): Error {
  const code = cause instanceof Error && "code" in cause ? cause.code : null;
  const where = formatHostPort({ host, port });
  if (code === "EADDRINUSE")
    return new Error(`port ${port} of ${host} is in use on this machine: choose another, or 0 for any that is free`, { cause });
  if (code === "EACCES") return new Error(`this user may not listen at ${where}: choose a port from 1024 up`, { cause });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return new Error(`${host} is no address of this machine`, { cause });
  return new Error(`cannot listen at ${where}: ${failureText(cause)}`, { cause });
}
