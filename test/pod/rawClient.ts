// A client of an agent that keeps to no rule: it sends whatever bytes it is given, and reads only when it is told to.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ClientMessage, Writer } from "@understudy/protocol";
import { AGENT_PORT } from "./agentProcess.ts";
import { podIpv4 } from "./pod.ts";
import { targetPorts } from "./ports.ts";

export class RawClient implements Disposable {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
    // What becomes of it is told by `closed`.
    socket.on("error", () => undefined);
  }

  static async connect(): Promise<RawClient> {
    const socket = connect({ host: podIpv4, port: AGENT_PORT, noDelay: true });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Returns false when the kernel does not take all of it at once. */
  send(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  /** Sends until the agent does not take any more. */
  async flood(bytes: Uint8Array, maxBytes: number): Promise<void> {
    for (let sent = 0; sent < maxBytes; sent += bytes.length) {
      if (this.send(bytes)) continue;
      const isTaken = await Promise.race([
        once(this.#socket, "drain").then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 500, false)),
      ]);
      if (!isTaken) return;
    }
  }

  /** Reads and drops; resolves when the agent has closed the connection, in whatever way. */
  async closed(): Promise<void> {
    this.#socket.resume();
    await this.#closed;
  }

  /** Ends the sending direction. */
  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Messages as they are on the wire. */
export function encoded(...messages: readonly ClientMessage[]): Buffer {
  const writer = new Writer({ copyMaxBytes: 1024 * 1024, scratchBytes: 64 * 1024 });
  for (const message of messages) ClientMessage.write(writer, message);
  return Buffer.concat(writer.take());
}

/** Asks for connections to where the target sends without end. */
export function connectToSource(connections: number): Buffer {
  const address = { kind: "ip", value: { ip: "127.0.0.1", port: targetPorts.source } } as const;
  return encoded(
    { kind: "switchProtocolVersion", value: "1.29.0" },
    ...Array.from({ length: connections }, (_, i): ClientMessage => {
      return { kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: BigInt(i), remoteAddress: address } } };
    }),
  );
}

/** A message in which the length of one text or byte string is another than what follows. `marker` is its content. */
export function withLength(message: ClientMessage, marker: string, length: bigint): Buffer {
  const bytes = encoded(message);
  const at = bytes.indexOf(marker);
  const claimed = Buffer.alloc(9, 0xfd);
  claimed.writeBigUInt64LE(length, 1);
  return Buffer.concat([bytes.subarray(0, at - 1), claimed, bytes.subarray(at)]);
}
