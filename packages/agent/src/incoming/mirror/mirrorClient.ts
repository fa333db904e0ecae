// One session in its role as a listener: it gets copies of what peers send, and can never slow that down unless the admin allows it. While it is behind, nothing new is begun for it, so
// that what has begun can be completed; what it misses is counted, and it is told.

import type { DaemonTcp, HttpFilter, LayerTcp } from "@understudy/protocol";
import type { SessionLink } from "../../link/sessionLink.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import { IdTable } from "../../task/idTable.ts";
import type { Arrival } from "../arrival.ts";
import { connectionMessage } from "../connectionMessage.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import type { CompiledFilter, FilterMeans } from "../http/filter/compiledFilter.ts";
import { PortClaims } from "../portClaims.ts";
import { type RequestStart, startMessages } from "../steal/requestForms.ts";
import type { Mirrorer } from "../subscriptions.ts";
import { MirroredConnection, type MirroredOptions, MirroredRequest } from "./mirrored.ts";
import { MirrorLosses } from "./mirrorLosses.ts";
import { MirrorPatience } from "./mirrorPatience.ts";

/** How much is mirrored, for all clients. */
export interface MirrorSettings {
  /** Share of the connections and of the requests that are mirrored, 1 to 100. */
  readonly samplePercent: number;
  /** How long the peer of a raw connection may wait at a time for a client that is behind, in ms. 0: not at all. */
  readonly patienceMs: number;
}

export interface MirrorClientOptions {
  readonly link: SessionLink;
  readonly traffic: IncomingTraffic;
  readonly metrics: Metrics;
  readonly settings: MirrorSettings;
}

type Copy = MirroredConnection | MirroredRequest;

export class MirrorClient implements Mirrorer, Disposable {
  readonly link: SessionLink;
  readonly #traffic: IncomingTraffic;
  readonly #metrics: Metrics;
  readonly #claims: PortClaims;
  readonly #settings: MirrorSettings;
  readonly #losses: MirrorLosses;
  readonly #patience: MirrorPatience;
  readonly #mirrored = new IdTable<Copy>();
  readonly #connectionSample: Sample;
  readonly #requestSample: Sample;
  #nextId = 0;

  constructor({ link, traffic, metrics, settings }: MirrorClientOptions) {
    this.link = link;
    this.#settings = settings;
    this.#losses = new MirrorLosses(link, metrics);
    this.#patience = new MirrorPatience(link, settings.patienceMs);
    this.#connectionSample = new Sample(settings.samplePercent);
    this.#requestSample = new Sample(settings.samplePercent);
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

  mirrorConnection(arrival: Arrival, socket: ByteSocket): MirroredConnection | null {
    if (arrival.tls !== null && !this.link.allows("modeAgnosticHttpRequests")) {
      this.link.tell("error", "A TLS connection was not mirrored due to mirrord-protocol version requirement: >=1.19.4");
      return null;
    }
    if (!this.#connectionSample.takes() || !this.#mayBegin()) return null;
    const id = this.#nextId++;
    this.#send(connectionMessage(this.link, id, arrival));
    return this.#add(new MirroredConnection(id, socket, this.#mirroredOptions(id)));
  }

  mirrorRequest(start: RequestStart, mayUpgrade: boolean): MirroredRequest | null {
    if (!this.link.allows("modeAgnosticHttpRequests")) {
      this.link.tell("error", "An HTTP request was not mirrored due to mirrord-protocol version requirement: >=1.19.4");
      return null;
    }
    if (!this.#requestSample.takes() || !this.#mayBegin()) return null;
    const id = this.#nextId++;
    for (const message of startMessages("chunkedV2", id, start)) this.#send(message);
    const request = this.#add(new MirroredRequest(id, mayUpgrade, this.#mirroredOptions(id)));
    if (start.isLast) request.complete();
    return request;
  }

  [Symbol.dispose](): void {
    this.#claims[Symbol.dispose]();
    for (const mirrored of this.#mirrored.values()) mirrored.abandon();
    this.#patience[Symbol.dispose]();
    this.#losses[Symbol.dispose]();
  }

  /** Nothing new while the client is behind: its room is for what has begun. */
  #mayBegin(): boolean {
    if (this.link.copyRoom === "plenty") return true;
    this.#losses.missed();
    return false;
  }

  #mirroredOptions(id: number): MirroredOptions {
    return {
      link: this.link,
      losses: this.#losses,
      patience: this.#patience,
      onGone: () => {
        if (this.#mirrored.delete(id)) this.#metrics.mirrorConnectionSubscriptionCount.add(-1);
      },
    };
  }

  #add<T extends Copy>(mirrored: T): T {
    this.#mirrored.set(mirrored.id, mirrored);
    this.#metrics.mirrorConnectionSubscriptionCount.add(1);
    return mirrored;
  }

  #subscribe(port: number, httpFilter: HttpFilter | null): void {
    const compiling = httpFilter === null ? Promise.resolve(null) : compiled(httpFilter, this.#traffic.filterMeans(this.link));
    this.#claims.subscribe(port, compiling, (filter) => {
      this.#traffic.mirror(port, { subscriber: this, filter });
      const { samplePercent } = this.#settings;
      if (samplePercent < 100)
        this.link.tell("info", `Of port ${port}, ${samplePercent} % of the connections and requests are mirrored, as set for this agent`);
    });
  }

  #send(message: DaemonTcp): void {
    this.link.copy({ kind: "tcp", value: message });
  }
}

/** Takes an even share of what it is asked about, without chance. */
class Sample {
  readonly #percent: number;
  #due = 0;

  constructor(percent: number) {
    this.#percent = percent;
  }

  takes(): boolean {
    this.#due += this.#percent;
    if (this.#due < 100) return false;
    this.#due -= 100;
    return true;
  }
}

/** As `compileFilter`, which is loaded with the first filter. */
async function compiled(filter: HttpFilter, means: FilterMeans): Promise<CompiledFilter> {
  const { compileFilter } = await import("../http/filter/compileFilter.ts");
  return compileFilter(filter, means);
}
