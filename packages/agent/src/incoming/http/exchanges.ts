// Begins the exchanges of one peer's connection: requests that the target answers, and those that a client answers.

import { isHttpUri } from "@understudy/protocol";
import type { HttpOutcome } from "../../metrics/metrics.ts";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { Arrival } from "../arrival.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import type { Judgement, LateMirrorer } from "../judge.ts";
import type { RequestStart } from "../steal/requestForms.ts";
import type { Mirrorer, Stealer } from "../subscriptions.ts";
import { CONTINUE } from "./errorResponse.ts";
import { type FilterInput, RequestHeadInput } from "./filter/filterInput.ts";
import { RequestHead, ResponseHead } from "./head.ts";
import { LateCopy } from "./lateCopy.ts";
import { ownHead, ownRequest } from "./ownRequest.ts";
import { PassedExchange } from "./passedExchange.ts";
import { PeerBacklog } from "./peerBacklog.ts";
import { RequestCopies } from "./requestCopies.ts";
import { requestParts, requestTargetText } from "./requestMessage.ts";
import type { RequestReader } from "./requestReader.ts";
import { responseContext } from "./responseContext.ts";
import type { HeaderEdit } from "./rewriteHead.ts";
import { StolenExchange } from "./stolenExchange.ts";
import type { TargetSide } from "./targetSide.ts";

/** An exchange that began. */
export interface Began {
  readonly exchange: PassedExchange | StolenExchange;
  readonly next: number;
}

export interface ExchangesOptions {
  readonly arrival: Arrival;
  readonly peer: ByteSocket;
  readonly traffic: IncomingTraffic;
  /** Has the head of the request that is begun. */
  readonly reader: RequestReader;
  readonly target: TargetSide;
  /** A stolen exchange has come to its end. */
  readonly onEnd: () => void;
}

export class Exchanges {
  /** What waits for the peer of clients' answers. */
  readonly backlog: PeerBacklog;
  readonly #options: ExchangesOptions;
  readonly #responseHead = new ResponseHead();
  /** The peer was told to go on with the body of the latest request. */
  #hasContinued = false;
  #beganMs = 0;

  constructor(options: ExchangesOptions) {
    this.#options = options;
    this.backlog = new PeerBacklog(options.peer, options.traffic.http.stuckTimeoutMs);
  }

  /** Another request was read. */
  next(): void {
    this.#hasContinued = false;
  }

  /**
   * Gives the request whose head begins at `start` to whom it belongs. Null, with nothing done, when a client was to get it and its body is malformed. `next` is where the rest of the
   * bytes begins.
   */
  begin(bytes: Uint8Array, start: number, end: number, { stealer, mirrorers, late }: Judgement): Began | null {
    const { reader } = this.#options;
    if (late.length > 0) reader.leaveHead(bytes, start, end);
    const { head } = reader;
    const isWanted = stealer !== null || mirrorers.length > 0 || late.length > 0;
    if (!isWanted) return this.#pass(bytes, start, end, RequestCopies.none);
    const uri = requestTargetText(bytes, head);
    // Not every target that HTTP allows has a form on the wire to clients.
    if (!isHttpUri(uri)) return this.#pass(bytes, start, end, RequestCopies.none);
    if (stealer !== null) return this.#steal(bytes, start, end, { stealer, mirrorers, late }, uri);
    const own = ownHead(bytes, start, head);
    const request = this.#requestStart(own, uri, [], head.bodyKind === "none");
    return this.#pass(bytes, start, end, this.#copies(own, request, mirrorers, late));
  }

  /** The exchange that began last is over, or does not belong to requests any more. */
  ended(outcome: HttpOutcome): void {
    const { traffic, arrival } = this.#options;
    traffic.requestEnded(outcome, arrival.original.port, this.#beganMs);
  }

  /** A client left before it heard of its request: the target gets it. */
  passAfterAll(stolen: StolenExchange): PassedExchange {
    const passed = this.#passedExchange(stolen.copies);
    passed.beginAgain(stolen.kept, this.#options.reader.head.length);
    stolen.release();
    return passed;
  }

  /** The peer waits for a word before it sends its body, which somebody must see before anybody can answer. */
  tellToContinue(): void {
    if (this.#hasContinued) return;
    this.#hasContinued = true;
    this.#options.peer.write(CONTINUE);
  }

  #pass(bytes: Uint8Array, start: number, end: number, copies: RequestCopies): Began {
    const exchange = this.#passedExchange(copies);
    return { exchange, next: exchange.begin(bytes, start, end, this.#options.reader.head.length) };
  }

  #passedExchange(copies: RequestCopies): PassedExchange {
    const { peer, traffic, reader, arrival, target } = this.#options;
    this.#beganMs = traffic.requestBegan("passed", arrival.original.port);
    return new PassedExchange(reader.head, {
      peer,
      target: target.open().socket,
      responseHead: this.#responseHead,
      limits: traffic.http.head,
      edits: this.#edits(traffic.passedEdits),
      copies,
      hasContinued: this.#hasContinued,
    });
  }

  #edits(edits: readonly HeaderEdit[]): readonly HeaderEdit[] {
    const { responseEdit } = this.#options.reader;
    return responseEdit === null ? edits : [...edits, responseEdit];
  }

  #steal(
    bytes: Uint8Array,
    start: number,
    end: number,
    { stealer, mirrorers, late }: Judgement & { stealer: Stealer },
    uri: string,
  ): Began | null {
    const { peer, traffic, reader, arrival, onEnd } = this.#options;
    const { head } = reader;
    const own = ownRequest(bytes, start, end, head);
    if (own === null) return null;
    const request = this.#requestStart(own.bytes, uri, own.frames, own.body === null);
    this.#beganMs = traffic.requestBegan("stolen", arrival.original.port);
    this.backlog.begin(stealer.trackPending());
    const exchange = new StolenExchange({
      peer,
      stealer,
      context: responseContext(own.bytes, head, traffic.date(), this.#edits(traffic.stolenEdits)),
      traffic,
      request: own.bytes,
      body: own.body,
      copies: this.#copies(own.bytes, request, mirrorers, late),
      backlog: this.backlog,
      memory: traffic.heldMemory,
      onEnd,
    });
    exchange.attach(stealer.takeRequest(request, exchange));
    if (exchange.end === null && own.body !== null && head.expectContinue) this.tellToContinue();
    return { exchange, next: start + own.bytes.length };
  }

  #copies(own: Uint8Array, start: RequestStart, mirrorers: readonly Mirrorer[], late: readonly LateMirrorer[]): RequestCopies {
    const { traffic, reader } = this.#options;
    const { hasUpgrade } = reader.head;
    if (late.length === 0) return RequestCopies.of(mirrorers, start, hasUpgrade);
    const limits = traffic.http;
    // Looked at when the reader's own is about another request.
    const head = new RequestHead();
    head.scan(own, 0, own.length, limits.head);
    const input = (body: Uint8Array | null): FilterInput => new RequestHeadInput(own, head, body);
    const lateCopies = late.map((one) => new LateCopy({ late: one, start, hasUpgrade, input, limits, memory: traffic.heldMemory }));
    return RequestCopies.of(mirrorers, start, hasUpgrade, lateCopies);
  }

  #requestStart(bytes: Uint8Array, uri: string, frames: RequestStart["frames"], isLast: boolean): RequestStart {
    const { arrival, reader } = this.#options;
    const { method, version, headers } = requestParts(bytes, reader.head);
    return { method, uri, version, headers, arrival, frames, isLast };
  }
}
