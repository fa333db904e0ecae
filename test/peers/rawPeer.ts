// A peer of the target that writes whatever bytes it is told to, in the pieces it is told to, and keeps all that comes back.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { podIpv4 } from "../pod/pod.ts";

/** Nothing that a test waits for takes longer. */
const WAIT_MAX_MS = 10_000;

export class RawPeer implements Disposable {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isOver = false;
  #hasBroken = false;
  #onChange = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#changed(() => (this.#received = Buffer.concat([this.#received, bytes]))));
    socket.on("end", () => this.#changed(() => (this.#isOver = true)));
    socket.on("close", () => this.#changed(() => (this.#isOver = true)));
    socket.on("error", () => this.#changed(() => (this.#hasBroken = true)));
  }

  static async connect(port: number, host = podIpv4): Promise<RawPeer> {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    await once(socket, "connect");
    return new RawPeer(socket);
  }

  /** Writes one piece after another, each in a turn of its own. */
  async write(...pieces: readonly (string | Uint8Array)[]): Promise<void> {
    for (const piece of pieces) {
      this.#socket.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
      await setImmediate();
    }
  }

  /** Ends the sending direction. */
  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  get bytes(): Buffer {
    return this.#received;
  }

  /** One character a byte. */
  get text(): string {
    return this.#received.toString("latin1");
  }

  /** The connection ended with a reset, or another error. */
  get hasBroken(): boolean {
    return this.#hasBroken;
  }

  /** Waits until something is true of what was received. */
  async until(isThere: (text: string) => boolean): Promise<string> {
    while (!isThere(this.text)) {
      if (this.#isOver) throw new Error(`the connection ended with ${JSON.stringify(this.text)}`);
      await this.#change();
    }
    return this.text;
  }

  /** Waits until the other side has ended its direction, or the connection broke. Returns all that came. */
  async ended(): Promise<string> {
    while (!this.#isOver) await this.#change();
    return this.text;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #change(): Promise<void> {
    this.#onChange = Promise.withResolvers();
    const { promise, reject } = this.#onChange;
    const late = setTimeout(() => reject(new Error(`nothing more came after ${JSON.stringify(this.text)}`)), WAIT_MAX_MS);
    await promise.finally(() => clearTimeout(late));
  }

  #changed(apply: () => void): void {
    apply();
    this.#onChange.resolve();
  }
}
