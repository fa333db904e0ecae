// An agent for tests that does exactly what a test tells it: it hands out the messages of its client one by one and sends what it is given.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { ClientMessage, DaemonMessage, type HttpHeaders, type InternalHttpBodyFrame, StreamDecoder, Writer } from "@understudy/protocol";
import { connectAgent } from "../connect.ts";
import type { Session, SessionOptions } from "../session.ts";

/** One client of the fake agent. */
export class FakePeer {
  readonly socket: Socket;
  readonly #decoder = new StreamDecoder(ClientMessage);
  readonly #received: ClientMessage[] = [];
  readonly #waiting: ((message: ClientMessage) => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#decoder.feed(chunk);
      for (let message = this.#decoder.next(); message !== undefined; message = this.#decoder.next()) {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#received.push(message);
        else waiting(message);
      }
    });
    socket.on("error", () => undefined);
  }

  /** The client's next message. */
  next(): Promise<ClientMessage> {
    const message = this.#received.shift();
    return message === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(message);
  }

  /** The client's next message, which must be of this kind. */
  async expect<K extends ClientMessage["kind"]>(kind: K): Promise<Extract<ClientMessage, { kind: K }>> {
    const message = await this.next();
    assert.equal(message.kind, kind);
    return message as Extract<ClientMessage, { kind: K }>;
  }

  /** Sends messages in one write. */
  send(...messages: DaemonMessage[]): void {
    const writer = new Writer();
    for (const message of messages) DaemonMessage.write(writer, message);
    this.socket.write(Buffer.concat(writer.take()));
  }

  async handshake(version = "1.29.0"): Promise<void> {
    await this.expect("switchProtocolVersion");
    this.send({ kind: "switchProtocolVersionResponse", value: version });
    if (version === "1.29.0") await this.expect("readyForLogs");
  }
}

export class FakeAgent implements AsyncDisposable {
  readonly #server: Server;
  readonly #peers = new Set<FakePeer>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeAgent> {
    const server = createServer({ noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FakeAgent(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next client that connects. */
  async accept(): Promise<FakePeer> {
    const [socket] = (await once(this.#server, "connection")) as [Socket];
    const peer = new FakePeer(socket);
    this.#peers.add(peer);
    return peer;
  }

  /** A session with this agent, and its other end. */
  async open(options: SessionOptions = {}, version = "1.29.0"): Promise<{ session: Session; peer: FakePeer }> {
    const peer = this.accept().then(async (accepted) => {
      await accepted.handshake(version);
      return accepted;
    });
    const session = await connectAgent({ host: "127.0.0.1", port: this.port, ...options });
    return { session, peer: await peer };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#peers) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A request as agents of version 1.19.0 and up send it. */
export function startV2(
  connectionId: number,
  { method = "GET", uri = "/", headers = [], port = 80, frames = [], isLast = true }: StartOptions = {},
): DaemonMessage & { kind: "tcpSteal" } {
  return {
    kind: "tcpSteal",
    value: {
      kind: "httpRequestChunked",
      value: {
        kind: "startV2",
        value: {
          connectionId,
          requestId: 0,
          request: { method, uri, headers, version: "HTTP/1.1", body: { frames, isLast } },
          metadata: { kind: "v1", value: { source: { ip: "10.0.0.9", port: 5000 }, destination: { ip: "10.0.0.1", port } } },
          transport: { kind: "tcp" },
        },
      },
    },
  };
}

export interface StartOptions {
  readonly method?: string;
  readonly uri?: string;
  readonly headers?: HttpHeaders;
  readonly port?: number;
  readonly frames?: readonly InternalHttpBodyFrame[];
  readonly isLast?: boolean;
}

/** More of a request's body. */
export function bodyOf(connectionId: number, frames: readonly InternalHttpBodyFrame[], isLast = false): DaemonMessage {
  return {
    kind: "tcpSteal",
    value: { kind: "httpRequestChunked", value: { kind: "body", value: { frames, isLast, connectionId, requestId: 0 } } },
  };
}

export function data(text: string): InternalHttpBodyFrame {
  return { kind: "data", value: Buffer.from(text) };
}
