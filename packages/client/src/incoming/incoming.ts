// What arrives for the target and was subscribed: hands requests and connections of one mode, stealing or mirroring, to the
// subscription of their port. Each mode has its own ids.

import type {
  ChunkedRequest,
  ClientMessage,
  ConnectionId,
  DaemonTcp,
  HttpFilter,
  HttpRequest,
  IncomingTrafficTransportType,
  InternalHttpBody,
  InternalHttpRequest,
  LayerTcp,
  NewTcpConnectionV1,
  RequestId,
  ResponseError,
  Result,
  SocketAddr,
  VersionGate,
} from "@understudy/protocol";
import type { AgentLink } from "../agentLink.ts";
import { AnswerQueue } from "../answerQueue.ts";
import { ConnectionStream } from "../connectionStream.ts";
import { AgentError } from "../errors.ts";
import type { ReceiveBudget } from "../receiveBudget.ts";
import { type IncomingRequest, type StolenResponse, textResponse } from "./httpMessages.ts";
import { IncomingBody } from "./requestBody.ts";
import { type ResponseAddress, sendResponse } from "./sendResponse.ts";
import { Claim, type Subscription } from "./subscription.ts";

export type Mode = "steal" | "mirror";

/** What this needs of its session. */
export interface IncomingServices {
  readonly link: AgentLink;
  readonly budget: ReceiveBudget;
  readonly allows: (gate: VersionGate) => boolean;
  /** Resolves when the agent has handled all that was sent before. */
  readonly ping: () => Promise<unknown>;
}

/** A request that the agent has not closed yet. */
interface Exchange {
  readonly requestId: RequestId;
  readonly body: IncomingBody;
  readonly ended: AbortController;
  /** Whether the response has left for the agent. */
  isAnswered: boolean;
}

const plainTcp: IncomingTrafficTransportType = { kind: "tcp" };

export class Incoming {
  readonly #mode: Mode;
  readonly #services: IncomingServices;
  readonly #claims = new Map<number, Claim>();
  readonly #subscribing = new AnswerQueue<Result<number, ResponseError>>();
  readonly #exchanges = new Map<ConnectionId, Exchange>();
  readonly #connections = new Map<ConnectionId, ConnectionStream>();

  constructor(mode: Mode, services: IncomingServices) {
    this.#mode = mode;
    this.#services = services;
  }

  /** Claims a port. Its handlers may be called before this resolves. */
  async subscribe(port: number, filter: HttpFilter | null, handlers: Claim["handlers"]): Promise<Subscription> {
    if (this.#claims.has(port)) throw new Error(`this session has port ${port} already (${this.#mode})`);
    const claim = new Claim(port, handlers, (closing) => this.#release(closing));
    // Before the answer is read: the first request may be right behind it.
    this.#claims.set(port, claim);
    try {
      const answer = await this.#subscribing.ask(this.#services.link, subscribeMessage(this.#mode, port, filter));
      if (answer.kind === "err") throw new AgentError(`${this.#mode} port ${port}`, answer.value);
      return claim;
    } catch (error) {
      this.#claims.delete(port);
      throw error;
    }
  }

  /** False for an answer that nobody asked for. */
  handle(message: DaemonTcp): boolean {
    switch (message.kind) {
      case "subscribeResult":
        return this.#subscribing.settle(message.value);
      case "newConnectionV1":
        this.#onConnection(message.value, plainTcp);
        return true;
      case "newConnectionV2":
        this.#onConnection(message.value.connection, message.value.transport);
        return true;
      case "data": {
        const { connectionId, bytes } = message.value;
        const connection = this.#connections.get(connectionId);
        if (bytes.length === 0) connection?.receivedEnd();
        else connection?.received(bytes);
        return true;
      }
      case "close":
        this.#onClose(message.value.connectionId);
        return true;
      case "httpRequest": {
        const body = message.value.internalRequest.body;
        this.#onWholeRequest(message.value, [{ kind: "data", value: body }], true);
        return true;
      }
      case "httpRequestFramed":
        this.#onWholeRequest(message.value, message.value.internalRequest.body, true);
        return true;
      case "httpRequestChunked":
        this.#onChunked(message.value);
        return true;
    }
  }

  fail(reason: Error): void {
    this.#subscribing.fail(reason);
    this.#claims.clear();
    const exchanges = [...this.#exchanges.values()];
    this.#exchanges.clear();
    for (const exchange of exchanges) endExchange(exchange, reason);
    for (const connection of this.#connections.values()) connection.sessionEnded(reason);
  }

  /** The agent confirms no unsubscribe, but it answers a ping only after it. */
  async #release(claim: Claim): Promise<void> {
    if (this.#services.link.end !== null) return;
    this.#post({ kind: "portUnsubscribe", value: claim.port });
    try {
      await this.#services.ping();
    } catch {
      // The session has ended, and every claim with it.
    }
    this.#claims.delete(claim.port);
  }

  #onConnection(connection: NewTcpConnectionV1, transport: IncomingTrafficTransportType): void {
    const { connectionId, destinationPort: port } = connection;
    const onConnection = this.#claims.get(port)?.handlers.onConnection;
    if (onConnection === undefined) return this.#post({ kind: "connectionUnsubscribe", value: connectionId });
    const stream = this.#open(connectionId);
    const source: SocketAddr = { ip: connection.remoteAddress, port: connection.sourcePort };
    onConnection({ stream, port, source, transport });
  }

  /** The bytes of a connection, from here on. */
  #open(connectionId: ConnectionId): ConnectionStream {
    const { link, budget } = this.#services;
    const stream = new ConnectionStream(
      {
        send: (bytes, onWritten) => link.post({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes } } }, onWritten),
        forget: (isOver) => {
          this.#connections.delete(connectionId);
          if (!isOver) this.#post({ kind: "connectionUnsubscribe", value: connectionId });
        },
      },
      budget,
      { writable: this.#mode === "steal" },
    );
    this.#connections.set(connectionId, stream);
    return stream;
  }

  #onClose(connectionId: ConnectionId): void {
    const connection = this.#connections.get(connectionId);
    this.#connections.delete(connectionId);
    connection?.closedByAgent();
    const exchange = this.#exchanges.get(connectionId);
    this.#exchanges.delete(connectionId);
    if (exchange !== undefined) endExchange(exchange, new Error("the agent closed the request: its peer has gone"));
  }

  #onChunked(message: ChunkedRequest): void {
    switch (message.kind) {
      case "startV1":
        return this.#onWholeRequest(message.value, message.value.internalRequest.body, false);
      case "startV2": {
        const { connectionId, requestId, request, metadata, transport } = message.value;
        const { source, destination } = metadata.value;
        const address = { port: destination.port, connectionId, requestId };
        return this.#onRequest(address, request, request.body.frames, request.body.isLast, { source, destination, transport });
      }
      case "body": {
        const { frames, isLast, connectionId, requestId } = message.value;
        this.#exchangeOf(connectionId, requestId)?.body.addFrames(frames, isLast);
        return;
      }
      case "errorV1":
      case "errorV2": {
        const { connectionId, requestId } = message.value;
        const text = message.kind === "errorV2" ? message.value.errorMessage : "the peer broke the request off";
        const exchange = this.#exchangeOf(connectionId, requestId);
        if (exchange === undefined) return;
        this.#exchanges.delete(connectionId);
        endExchange(exchange, new Error(text));
        return;
      }
    }
  }

  #exchangeOf(connectionId: ConnectionId, requestId: RequestId): Exchange | undefined {
    const exchange = this.#exchanges.get(connectionId);
    return exchange?.requestId === requestId ? exchange : undefined;
  }

  /** The forms of agents that do not say where a request came from. */
  #onWholeRequest(message: HttpRequest<unknown>, frames: InternalHttpBody, isLast: boolean): void {
    const { port, connectionId, requestId, internalRequest } = message;
    const origin = { source: null, destination: null, transport: plainTcp };
    this.#onRequest({ port, connectionId, requestId }, internalRequest, frames, isLast, origin);
  }

  #onRequest(
    address: ResponseAddress,
    { method, uri, version, headers }: InternalHttpRequest<unknown>,
    frames: InternalHttpBody,
    isLast: boolean,
    origin: Pick<IncomingRequest, "source" | "destination" | "transport">,
  ): void {
    const claim = this.#claims.get(address.port);
    if (claim === undefined) {
      if (this.#mode === "steal") this.#refuse(address, `port ${address.port} is no longer stolen`);
      return;
    }
    const body = new IncomingBody(this.#services.budget, frames, isLast);
    const ended = new AbortController();
    const exchange: Exchange = { requestId: address.requestId, body, ended, isAnswered: false };
    this.#exchanges.set(address.connectionId, exchange);
    const request: IncomingRequest = { method, uri, version, headers, body, port: address.port, signal: ended.signal, ...origin };
    claim.track(this.#serve(claim, address, request, exchange));
  }

  /** Never rejects. */
  async #serve(claim: Claim, address: ResponseAddress, request: IncomingRequest, exchange: Exchange): Promise<void> {
    const { link, allows } = this.#services;
    const { ended } = exchange;
    let isHeadSent = false;
    const onHeadSent = (): void => {
      isHeadSent = true;
    };
    try {
      const { onRequest } = claim.handlers;
      const response = onRequest === undefined ? textResponse(502, "nobody handles requests here") : await onRequest(request);
      if (this.#mode === "mirror") return;
      if (response === undefined) throw new TypeError("the handler gave no response");
      if (response.status === 101) return await this.#upgrade(address, response, ended.signal, onHeadSent);
      await sendResponse(link, address, response, { allows, signal: ended.signal, onHeadSent });
      exchange.isAnswered = true;
    } catch (error) {
      if (this.#mode === "steal" && !isHeadSent && !ended.signal.aborted) {
        this.#refuse(address, error instanceof Error ? error.message : String(error));
        exchange.isAnswered = true;
      }
    } finally {
      // What nobody reads would hold up the session. Whoever reads already goes on undisturbed.
      request.body.resume();
    }
  }

  /** What the peer sends after its request belongs to the stream that this gives away. Rejects when nothing has been sent. */
  async #upgrade(address: ResponseAddress, response: StolenResponse, signal: AbortSignal, onHeadSent: () => void): Promise<void> {
    const { onUpgrade, ...head } = response;
    if (onUpgrade === undefined) throw new TypeError("a response with status 101 needs `onUpgrade`");
    if (signal.aborted) return;
    const { connectionId } = address;
    this.#exchanges.delete(connectionId);
    const stream = this.#open(connectionId);
    const { link, allows } = this.#services;
    try {
      await sendResponse(link, address, { ...head, body: null }, { allows, signal, onHeadSent });
    } catch (error) {
      this.#connections.delete(connectionId);
      throw error;
    }
    if (!stream.destroyed) onUpgrade(stream);
  }

  /** As every client answers a request that it cannot serve: in the oldest form, with 502. */
  #refuse({ port, connectionId, requestId }: ResponseAddress, text: string): void {
    const { status, headers = [] } = textResponse(502, text);
    const body = Buffer.from(`${text}\n`);
    const internalResponse = { status, version: "HTTP/1.1", headers, body };
    this.#services.link.post({
      kind: "tcpSteal",
      value: { kind: "httpResponse", value: { port, connectionId, requestId, internalResponse } },
    });
  }

  #post(value: UnsubscribeMessage): void {
    this.#services.link.post(this.#mode === "steal" ? { kind: "tcpSteal", value } : { kind: "tcp", value });
  }
}

type UnsubscribeMessage = Extract<LayerTcp, { kind: "portUnsubscribe" | "connectionUnsubscribe" }>;

function endExchange({ body, ended, isAnswered }: Exchange, reason: Error): void {
  // The agent closes those, too; nothing is left to break off.
  if (isAnswered && body.isComplete) return;
  body.breakOff(reason);
  ended.abort(reason);
}

function subscribeMessage(mode: Mode, port: number, filter: HttpFilter | null): ClientMessage {
  if (mode === "steal") {
    const value = filter === null ? ({ kind: "all", value: port } as const) : ({ kind: "filteredHttpEx", value: [port, filter] } as const);
    return { kind: "tcpSteal", value: { kind: "portSubscribe", value } };
  }
  return {
    kind: "tcp",
    value: filter === null ? { kind: "portSubscribe", value: port } : { kind: "portSubscribeFilteredHttp", value: [port, filter] },
  };
}
