// A peer of the target that keeps one connection to its echo port.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { podIpv4 } from "./pod.ts";
import { targetPorts } from "./ports.ts";

export class EchoPeer implements Disposable {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
  }

  static async connect(host = podIpv4): Promise<EchoPeer> {
    const socket = connect({ host, port: targetPorts.echo });
    await once(socket, "connect");
    return new EchoPeer(socket);
  }

  /** `text` should not look like the beginning of HTTP, which the agent would wait for. Resolves to what came back; to null when the connection ended instead. Bytes of one call come in one piece. */
  async echo(text: string): Promise<string | null> {
    this.#socket.write(text);
    const came = once(this.#socket, "data").then(([bytes]) => String(bytes));
    return await Promise.race([came.catch(() => null), this.#closed.then(() => null)]);
  }

  /** Resolves when the connection has ended, in whatever way. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
