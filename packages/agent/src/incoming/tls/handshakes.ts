// TLS handshakes with peers, each of which ends with a secured socket or a reason. It accepts nothing itself.

import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";

interface Waiting {
  readonly secured: (socket: TLSSocket) => void;
  readonly failed: (error: Error) => void;
}

export class Handshakes {
  readonly #server: Server;
  /** By the addresses of both ends: Node tells of a secured socket, not of the one below it. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: TlsOptions) {
    this.#server = createServer(options);
    this.#server.on("secureConnection", (socket: TLSSocket) => this.#waiting.get(endsOf(socket))?.secured(socket));
    this.#server.on("tlsClientError", (error: Error, socket: TLSSocket) => this.#waiting.get(endsOf(socket))?.failed(error));
  }

  /** Takes over an open socket, with what was read and put back. It is destroyed when this rejects. */
  with(socket: Socket): Promise<TLSSocket> {
    const ends = endsOf(socket);
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        this.#waiting.delete(ends);
        socket.off("close", onClosed);
      };
      const failed = (error: Error): void => {
        settled();
        socket.destroy();
        reject(error);
      };
      const onClosed = (): void => failed(new Error("the peer left during the handshake"));
      const secured = (secure: TLSSocket): void => {
        settled();
        resolve(secure);
      };
      this.#waiting.set(ends, { secured, failed });
      socket.once("close", onClosed);
      this.#server.emit("connection", socket);
    });
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
