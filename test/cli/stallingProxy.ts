// A proxy in front of an agent that lets so many bytes of one direction through and then holds the rest back: a copy stops half way, at a place
// the test knows.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface StallOptions {
  readonly target: { readonly host: string; readonly port: number };
  readonly direction: "fromAgent" | "toAgent";
  readonly afterBytes: number;
}

export class StallingProxy implements AsyncDisposable {
  /** Resolves when it holds back. */
  readonly stalled: Promise<void>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, stalled: Promise<void>) {
    this.#server = server;
    this.stalled = stalled;
  }

  static async start({ target, direction, afterBytes }: StallOptions): Promise<StallingProxy> {
    const { promise: stalled, resolve: onStall } = Promise.withResolvers<void>();
    const server = createServer();
    const proxy = new StallingProxy(server, stalled);
    server.on("connection", (client) => {
      const agent = connect(target);
      for (const socket of [client, agent]) {
        proxy.#sockets.add(socket);
        socket.on("error", () => undefined);
      }
      const [held, to] = direction === "fromAgent" ? [agent, client] : [client, agent];
      let passed = 0;
      held.on("data", (bytes: Buffer) => {
        passed += bytes.length;
        to.write(bytes);
        if (passed < afterBytes) return;
        held.pause();
        onStall();
      });
      to.pipe(held);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  /** For `--agent`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
