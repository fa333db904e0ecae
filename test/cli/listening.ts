// Servers of tests: listening on a free port of this machine, and gone with all their connections when the test ends.

import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

export class Listening implements AsyncDisposable {
  readonly port: number;
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => this.sockets.delete(socket));
    });
  }

  /** Also of `node:http`. */
  static async on(server: Server): Promise<Listening> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Listening(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
