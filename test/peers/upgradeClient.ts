// A client that takes connections over after an upgrade, stolen ones or copies, which the client library does not do. What is written first to a stolen one is the response
// with status 101 as HTTP/1 has it; everything after it is the connection's. What is written to a copy goes nowhere.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { headersFromRaw, rawFromHeaders } from "@understudy/client";
import { type ClientMessage, DaemonMessage, type HttpFilter, type HttpHeaders, StreamDecoder } from "@understudy/protocol";
import { AGENT_PORT } from "../pod/agentProcess.ts";
import { podIpv4 } from "../pod/pod.ts";
import { encoded } from "../pod/rawClient.ts";

/** A request that asks for an upgrade, in the form that servers of `node:http` know. */
export interface UpgradeRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export type OnUpgrade = (request: UpgradeRequest, stream: Duplex) => void;

type Incoming = Extract<DaemonMessage, { kind: "tcpSteal" | "tcp" }>["value"];
type ConnectionId = number | bigint;

export class UpgradeClient implements Disposable {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #onUpgrade: OnUpgrade;
  readonly #streams = new Map<ConnectionId, UpgradedStream>();
  readonly #subscribed = Promise.withResolvers<void>();

  private constructor(socket: Socket, port: number, onUpgrade: OnUpgrade) {
    this.#socket = socket;
    this.#port = port;
    this.#onUpgrade = onUpgrade;
    const decoder = new StreamDecoder(DaemonMessage);
    socket.on("data", (bytes: Buffer) => {
      decoder.feed(bytes);
      for (let message = decoder.next(); message !== undefined; message = decoder.next()) {
        if (message.kind === "tcpSteal" || message.kind === "tcp") this.#receive(message.value, message.kind === "tcp");
      }
    });
    socket.on("error", () => undefined);
  }

  /** Steals the requests that the filter wants; they are stolen on return. */
  static async steal(port: number, filter: HttpFilter, onUpgrade: OnUpgrade): Promise<UpgradeClient> {
    const subscribe = { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [port, filter] } } as const;
    return await UpgradeClient.#start(port, { kind: "tcpSteal", value: subscribe }, onUpgrade);
  }

  /** Gets copies of all requests from its return on. */
  static async mirror(port: number, onUpgrade: OnUpgrade): Promise<UpgradeClient> {
    return await UpgradeClient.#start(port, { kind: "tcp", value: { kind: "portSubscribe", value: port } }, onUpgrade);
  }

  static async #start(port: number, subscribe: ClientMessage, onUpgrade: OnUpgrade): Promise<UpgradeClient> {
    const socket = connect({ host: podIpv4, port: AGENT_PORT, noDelay: true });
    await once(socket, "connect");
    const client = new UpgradeClient(socket, port, onUpgrade);
    client.#send({ kind: "switchProtocolVersion", value: "1.29.0" });
    client.#send(subscribe);
    await client.#subscribed.promise;
    return client;
  }

  /** Connections that were taken over and are not closed. */
  get open(): number {
    return this.#streams.size;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #receive(message: Incoming, isCopy: boolean): void {
    switch (message.kind) {
      case "subscribeResult":
        this.#subscribed.resolve();
        return;
      case "httpRequestChunked": {
        if (message.value.kind !== "startV2") return;
        const { connectionId, request } = message.value.value;
        const raw = rawFromHeaders(request.headers);
        const headers: Record<string, string> = {};
        for (let i = 0; i + 1 < raw.length; i += 2) headers[raw[i] ?? ""] = raw[i + 1] ?? "";
        const stream = new UpgradedStream(isCopy ? nowhere : this.#wireOf(connectionId));
        this.#streams.set(connectionId, stream);
        this.#onUpgrade({ method: request.method, url: request.uri, headers }, stream);
        return;
      }
      case "data": {
        const stream = this.#streams.get(message.value.connectionId);
        // Bytes are views of what was received.
        stream?.push(message.value.bytes.length === 0 ? null : Buffer.from(message.value.bytes));
        return;
      }
      case "close":
        this.#streams.get(message.value.connectionId)?.push(null);
        this.#streams.delete(message.value.connectionId);
        return;
      default:
        return;
    }
  }

  #wireOf(connectionId: ConnectionId): StreamWire {
    return {
      answer: (status, headers) => this.#answer(connectionId, status, headers),
      send: (bytes) => this.#send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes } } }),
    };
  }

  #answer(connectionId: ConnectionId, status: number, headers: HttpHeaders): void {
    const internalResponse = { status, version: "HTTP/1.1", headers, body: [] };
    this.#send({
      kind: "tcpSteal",
      value: { kind: "httpResponseFramed", value: { port: this.#port, connectionId, requestId: 0, internalResponse } },
    });
  }

  #send(message: ClientMessage): void {
    this.#socket.write(encoded(message));
  }
}

interface StreamWire {
  answer(status: number, headers: HttpHeaders): void;
  /** Empty bytes end the direction. */
  send(bytes: Uint8Array): void;
}

const nowhere: StreamWire = { answer: () => undefined, send: () => undefined };

class UpgradedStream extends Duplex {
  readonly #wire: StreamWire;
  #hasAnswered = false;

  constructor(wire: StreamWire) {
    super({ allowHalfOpen: true, decodeStrings: true });
    this.#wire = wire;
    this.on("error", () => undefined);
  }

  override _read(): void {
    // What comes is pushed as it comes.
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#hasAnswered) this.#wire.send(Buffer.from(bytes));
    else {
      const [statusLine = "", ...lines] = bytes.toString("latin1").trimEnd().split("\r\n");
      const raw = lines.flatMap((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
      this.#wire.answer(Number(statusLine.split(" ")[1]), headersFromRaw(raw));
      this.#hasAnswered = true;
    }
    done();
  }

  override _final(done: () => void): void {
    this.#wire.send(Buffer.alloc(0));
    done();
  }
}
