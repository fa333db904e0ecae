// One session in its role as a listener: it gets copies of what peers send, and can never slow that down. What it has no room for is not mirrored, counted,
// and, where a connection or request had begun, ended for it with a message that says so.

import type { DaemonTcp, HttpFilter, InternalHttpBodyFrame, LayerTcp } from "@understudy/protocol";
import type { SessionLink } from "../../link/sessionLink.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Arrival } from "../arrival.ts";
import { connectionMessage } from "../connectionMessage.ts";
import { type CompiledFilter, compileFilter } from "../http/filter/compileFilter.ts";
import { FilterError } from "../http/filter/filterError.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import { PortClaims } from "../portClaims.ts";
import { bodyMessage, type RequestStart, startMessages } from "../steal/requestForms.ts";
import type { Mirrorer } from "../subscriptions.ts";

/** What the client reads when a copy was ended for want of room. */
const BACKLOG_TEXT = "the client does not read fast enough";

export interface MirrorClientOptions {
  readonly link: SessionLink;
  readonly traffic: IncomingTraffic;
  readonly metrics: Metrics;
}

export class MirrorClient implements Mirrorer, Disposable {
  readonly link: SessionLink;
  readonly #traffic: IncomingTraffic;
  readonly #metrics: Metrics;
  readonly #claims: PortClaims;
  readonly #mirrored = new Map<number | bigint, Mirrored>();
  #nextId = 0;

  constructor({ link, traffic, metrics }: MirrorClientOptions) {
    this.link = link;
    this.#traffic = traffic;
    this.#metrics = metrics;
    this.#claims = new PortClaims({
      link,
      traffic,
      answer: (message) => link.reply({ kind: "tcp", value: message }),
      unsubscribe: (port) => traffic.unmirror(port, this),
    });
  }

  handle(message: LayerTcp): void {
    switch (message.kind) {
      case "portSubscribe":
        this.#subscribe(message.value, null);
        return;
      case "portSubscribeFilteredHttp":
        this.#subscribe(message.value[0], message.value[1]);
        return;
      case "portUnsubscribe":
        this.#claims.unsubscribe(message.value);
        return;
      case "connectionUnsubscribe":
        this.#mirrored.get(message.value)?.abandon();
        return;
    }
  }

  mirrorConnection(arrival: Arrival): MirroredConnection | null {
    if (!this.#hasRoom()) return null;
    const id = this.#nextId++;
    this.#send(connectionMessage(this.link, id, arrival));
    return this.#add(new MirroredConnection(id, this.#mirroredOptions(id)));
  }

  mirrorRequest(start: RequestStart): MirroredRequest | null {
    if (!this.link.allows("modeAgnosticHttpRequests")) {
      this.link.tell("error", "An HTTP request was not mirrored due to mirrord-protocol version requirement: >=1.19.4");
      return null;
    }
    if (!this.#hasRoom()) return null;
    const id = this.#nextId++;
    for (const message of startMessages("chunkedV2", id, start)) this.#send(message);
    const request = new MirroredRequest(id, this.#mirroredOptions(id));
    if (start.isLast) request.end();
    return this.#add(request);
  }

  [Symbol.dispose](): void {
    this.#claims[Symbol.dispose]();
    for (const mirrored of this.#mirrored.values()) mirrored.abandon();
  }

  #hasRoom(): boolean {
    if (this.link.hasRoom) return true;
    this.#metrics.mirrorDroppedConnections.add();
    return false;
  }

  #mirroredOptions(id: number): MirroredOptions {
    return {
      link: this.link,
      metrics: this.#metrics,
      send: (message) => this.#send(message),
      onGone: () => {
        if (this.#mirrored.delete(id)) this.#metrics.mirrorConnectionSubscriptionCount.add(-1);
      },
    };
  }

  #add<T extends Mirrored>(mirrored: T): T {
    if (mirrored.isOver) return mirrored;
    this.#mirrored.set(mirrored.id, mirrored);
    this.#metrics.mirrorConnectionSubscriptionCount.add(1);
    return mirrored;
  }

  #subscribe(port: number, httpFilter: HttpFilter | null): void {
    let filter: CompiledFilter | null;
    try {
      filter = httpFilter === null ? null : compileFilter(httpFilter);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.link.reply({ kind: "close", value: `Failed to parse the given HTTP filter: ${error.message}` });
      return;
    }
    this.#claims.subscribe(port, () => this.#traffic.mirror(port, { subscriber: this, filter }));
  }

  #send(message: DaemonTcp): void {
    this.link.stream({ kind: "tcp", value: message });
  }
}

interface MirroredOptions {
  readonly link: SessionLink;
  readonly metrics: Metrics;
  readonly send: (message: DaemonTcp) => void;
  readonly onGone: () => void;
}

/** What both kinds have in common: an id, and exactly one end. */
class Mirrored {
  readonly id: number;
  protected readonly options: MirroredOptions;
  #isOver = false;

  constructor(id: number, options: MirroredOptions) {
    this.id = id;
    this.options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The peer's connection, or the agent's to the target, broke. */
  failed(error: string): void {
    if (this.#isOver) return;
    this.options.link.tell("warn", `Mirrored connection ${this.id} failed: ${error}`);
    this.close();
  }

  /** Nothing more will come. */
  close(): void {
    if (this.#isOver) return;
    this.options.send({ kind: "close", value: { connectionId: this.id } });
    this.abandon();
  }

  /** The client wants no more of it. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.options.onGone();
  }

  /** Whether `bytes` may be sent; ends the copy when they may not. */
  protected mayTake(bytes: number): boolean {
    if (this.#isOver) return false;
    if (this.options.link.hasRoom) return true;
    this.options.metrics.mirrorDroppedBytes.add(bytes);
    this.options.metrics.mirrorDroppedConnections.add();
    this.failed(BACKLOG_TEXT);
    return false;
  }
}

/** The copy of a raw connection: what the peer sends. */
export class MirroredConnection extends Mirrored {
  /** `bytes` may change after the call: what is queued is a copy. */
  data(bytes: Uint8Array): void {
    if (this.mayTake(bytes.length)) this.options.send({ kind: "data", value: { connectionId: this.id, bytes: Uint8Array.from(bytes) } });
  }

  /** The peer ended its direction. */
  ended(): void {
    if (!this.isOver) this.options.send({ kind: "data", value: { connectionId: this.id, bytes: new Uint8Array(0) } });
  }
}

/** The copy of an HTTP request. */
export class MirroredRequest extends Mirrored {
  /** The frames must be the caller's to give away. */
  body(frames: readonly InternalHttpBodyFrame[]): void {
    const bytes = frames.reduce((sum, frame) => sum + (frame.kind === "data" ? frame.value.length : 0), 0);
    if (frames.length > 0 && this.mayTake(bytes)) this.options.send(bodyMessage(this.id, frames, false));
  }

  /** The body is complete. */
  finish(): void {
    if (!this.isOver) this.options.send(bodyMessage(this.id, [], true));
    this.close();
  }

  /** The whole request was in its first message. */
  end(): void {
    this.close();
  }
}
