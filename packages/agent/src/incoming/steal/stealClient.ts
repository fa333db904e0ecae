// One session in its role as a stealer: its subscriptions, and the connections and requests that it answers.

import type { DaemonTcp, LayerTcpSteal, StealType, U64 } from "@understudy/protocol";
import type { ReusedBuffer, SessionLink } from "../../link/sessionLink.ts";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import { IdTable } from "../../task/idTable.ts";
import type { WaitingBytes } from "../../task/waitingBytes.ts";
import type { Arrival } from "../arrival.ts";
import type { CompiledFilter, FilterMeans } from "../http/filter/compiledFilter.ts";
import { connectionMessage } from "../connectionMessage.ts";
import { PortClaims } from "../portClaims.ts";
import type { Stealer } from "../subscriptions.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import { StolenConnection } from "./stolenConnection.ts";
import { type RequestPeer, type RequestStart, StolenRequest } from "./stolenRequest.ts";

/** Rest between two texts about requests that the client missed, in ms. */
const REPORT_REST_MS = 10_000;

export interface StealClientOptions {
  readonly link: SessionLink;
  readonly traffic: IncomingTraffic;
  /** What waits for the peers of this client's connections. */
  readonly waiting: WaitingBytes;
}

export class StealClient implements Stealer, Disposable {
  readonly link: SessionLink;
  readonly #traffic: IncomingTraffic;
  readonly #waiting: WaitingBytes;
  readonly #claims: PortClaims;
  readonly #connections = new IdTable<StolenConnection>();
  readonly #requests = new IdTable<StolenRequest>();
  /** Requests of which the client does not know yet. */
  readonly #unannounced = new Set<StolenRequest>();
  #nextId = 0;
  /** Requests that went to the target instead, and have not been told of. */
  #passedOver = 0;
  #nextReportMs = 0;

  constructor({ link, traffic, waiting }: StealClientOptions) {
    this.link = link;
    this.#traffic = traffic;
    this.#waiting = waiting;
    this.#claims = new PortClaims({
      link,
      traffic,
      answer: (message) => link.reply({ kind: "tcpSteal", value: message }),
      unsubscribe: (port) => traffic.unsteal(port, this),
    });
  }

  handle(message: LayerTcpSteal, buffer: ReusedBuffer): void {
    switch (message.kind) {
      case "portSubscribe":
        this.#subscribe(message.value);
        return;
      case "portUnsubscribe":
        this.#claims.unsubscribe(message.value);
        return;
      case "connectionUnsubscribe":
        this.#connections.get(message.value)?.abandon();
        this.#requests.get(message.value)?.abandon();
        return;
      case "data":
        this.#connections.get(message.value.connectionId)?.clientBytes(message.value.bytes, buffer);
        return;
      case "httpResponse":
      case "httpResponseFramed": {
        const { connectionId, requestId } = message.value;
        this.#request(connectionId, requestId)?.answer(message);
        return;
      }
      case "httpResponseChunked": {
        const { connectionId, requestId } = message.value.value;
        this.#request(connectionId, requestId)?.answer(message);
        return;
      }
    }
  }

  takeConnection(arrival: Arrival, socket: ByteSocket, first: Uint8Array, hasEnded: boolean): boolean {
    const id = this.#nextId++;
    this.#send(connectionMessage(this.link, id, arrival));
    const connection = this.#adopt(id, socket);
    const mayGoOn = connection.peerBytes(first);
    if (hasEnded) connection.peerEnded();
    return mayGoOn;
  }

  takeRequest(start: RequestStart, peer: RequestPeer): StolenRequest {
    const request = new StolenRequest({
      link: this.link,
      takeId: () => this.#nextId++,
      start,
      peer,
      onId: (id, one) => {
        this.#unannounced.delete(one);
        this.#requests.set(id, one);
      },
      onOver: (one) => {
        this.#unannounced.delete(one);
        if (one.id !== null) this.#requests.delete(one.id);
      },
    });
    if (request.id === null && !request.isOver) this.#unannounced.add(request);
    return request;
  }

  trackPending(): (bytes: number) => void {
    return this.#waiting.track();
  }

  passedOver(): void {
    this.#passedOver += 1;
    const now = performance.now();
    if (now < this.#nextReportMs) return;
    this.#nextReportMs = now + REPORT_REST_MS;
    this.link.tell("warn", `${this.#passedOver} HTTP requests were passed to the target, since this client does not read fast enough`);
    this.#passedOver = 0;
  }

  takeUpgraded(id: number, socket: ByteSocket): StolenConnection {
    const connection = this.#adopt(id, socket);
    // The session may have ended since the client answered.
    if (this.link.signal.aborted) connection.abandon();
    return connection;
  }

  [Symbol.dispose](): void {
    this.#claims[Symbol.dispose]();
    for (const connection of this.#connections.values()) connection.abandon();
    for (const request of [...this.#requests.values(), ...this.#unannounced]) request.abandon();
    this.#unannounced.clear();
  }

  #adopt(id: number, socket: ByteSocket): StolenConnection {
    const connection = new StolenConnection({
      id,
      link: this.link,
      socket,
      waiting: this.#waiting,
      onGone: () => this.#connections.delete(id),
    });
    this.#connections.set(id, connection);
    return connection;
  }

  #request(connectionId: U64, requestId: number): StolenRequest | undefined {
    return requestId === 0 ? this.#requests.get(connectionId) : undefined;
  }

  #subscribe(type: StealType): void {
    const port = type.kind === "all" ? type.value : type.value[0];
    const compiling = compiled(type, this.#traffic.filterMeans(this.link));
    this.#claims.subscribe(port, compiling, (filter) => this.#traffic.steal(port, { subscriber: this, filter }));
  }

  #send(message: DaemonTcp): void {
    this.link.stream({ kind: "tcpSteal", value: message });
  }
}

async function compiled(type: StealType, means: FilterMeans): Promise<CompiledFilter | null> {
  if (type.kind === "all") return null;
  // With the first filter: regular expressions and JSON are a good part of the agent.
  const { compileFilter, compileHeaderFilter } = await import("../http/filter/compileFilter.ts");
  switch (type.kind) {
    case "filteredHttp":
      return compileHeaderFilter(type.value[1], means);
    case "filteredHttpEx":
      return compileFilter(type.value[1], means);
  }
}
