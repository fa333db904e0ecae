// One request of a peer, from its head to the end of its answer: finds out who gets it, then hands it to the target or to a client. What comes of its body meanwhile is kept here.

import { isHttpUri } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { Arrival } from "../arrival.ts";
import { HeaderListInput } from "../http/filter/filterInput.ts";
import { REQUEST_DROPPED } from "../http/errorResponse.ts";
import { LateCopy } from "../http/lateCopy.ts";
import type { HeaderEdit } from "../http/rewriteHead.ts";
import { RequestCopies } from "../http/requestCopies.ts";
import type { BadGatewayCause } from "../../metrics/metrics.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import { clientNeed, judgeTimed, type Judgement, type LateMirrorer, needsBody } from "../judge.ts";
import type { RequestStart } from "../steal/requestForms.ts";
import type { Mirrorer, Stealer } from "../subscriptions.ts";
import { ErrorCode } from "./errors.ts";
import { type Field, fieldValue } from "./fields.ts";
import { badGatewayAnswer, groupedFields, pathText, requestUri } from "./messageFields.ts";
import type { RequestHead } from "./messageHead.ts";
import { answerAtOnce } from "./ownAnswer.ts";
import { PassedStream } from "./passedStream.ts";
import { RequestBody } from "./requestBody.ts";
import { trailersFrame } from "./requestCopying.ts";
import { StolenStream } from "./stolenStream.ts";
import type { Stream, StreamBreak, StreamReader } from "./stream.ts";
import type { TargetFailure, TargetLink } from "./targetLink.ts";

export interface ExchangeOptions {
  readonly arrival: Arrival;
  readonly socket: ByteSocket;
  readonly traffic: IncomingTraffic;
  readonly stream: Stream;
  readonly head: RequestHead;
  /** What the head takes of memory. */
  readonly headBytes: number;
  /** All fields of the head, as they came. */
  readonly fields: readonly Field[];
  readonly isEnd: boolean;
  /** What a share link adds to the response. */
  readonly responseEdit: HeaderEdit | null;
  /** The connection to the target, opened where there is none. */
  readonly target: () => TargetLink;
  /** Called once, when nothing more comes of it. */
  readonly onOver: () => void;
}

/** "gathering": what came with the head is being read; "collecting": a filter wants the body; "judging": a filter is waited for. */
type State = { readonly kind: "gathering" | "collecting" | "judging" | "over" } | PassedStream | StolenStream;

const GATHERING: State = { kind: "gathering" };
const COLLECTING: State = { kind: "collecting" };
const JUDGING: State = { kind: "judging" };
const OVER: State = { kind: "over" };

export class Exchange implements StreamReader {
  readonly #options: ExchangeOptions;
  readonly #body: RequestBody;
  readonly #path: string | null;
  #state: State = GATHERING;
  #copies = RequestCopies.none;
  #timer: NodeJS.Timeout | undefined;
  #beganMs = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { stream, traffic, isEnd } = options;
    this.#body = new RequestBody(traffic.heldMemory, isEnd);
    this.#path = pathText(options.head);
    traffic.heldMemory.change(options.headBytes);
    stream.reader = this;
  }

  /** Whether a client answers it. */
  get isStolen(): boolean {
    return this.#state.kind === "stealing";
  }

  /** Begins, after the head. */
  begin(): void {
    if (this.#body.isComplete) this.#gathered();
    // What is behind the head in the same segment belongs to the first message that a client gets.
    else queueMicrotask(() => this.#gathered());
  }

  headers(fields: readonly Field[]): void {
    const state = this.#state;
    if (state.kind === "passing" || state.kind === "stealing") {
      state.trailers(fields);
      return;
    }
    this.#body.end(fields);
    this.#grown();
  }

  data(view: Uint8Array, isEnd: boolean): void {
    const state = this.#state;
    if (state.kind === "passing") {
      state.data(view, isEnd);
      return;
    }
    if (state.kind === "stealing") {
      // Where it is not for this client after all, somebody else has it by now.
      if (!state.data(view, isEnd)) this.data(view, isEnd);
      return;
    }
    if (state.kind === "over") {
      this.#options.stream.consume(view.length);
      return;
    }
    this.#body.add(view, isEnd);
    this.#grown();
  }

  sent(bytes: number): void {
    const state = this.#state;
    if (state.kind === "passing" || state.kind === "stealing") state.sent(bytes);
  }

  closed(cause: StreamBreak | null): void {
    const state = this.#state;
    if (state.kind === "passing" || state.kind === "stealing") state.peerClosed(cause);
    this.#over(cause?.why ?? null);
  }

  #gathered(): void {
    if (this.#state !== GATHERING) return;
    const { head, arrival, traffic } = this.#options;
    // A tunnel is no request that anybody could answer from elsewhere, and an unreadable path none that filters could judge.
    if (head.method === "CONNECT" || this.#path === null) this.#passOn();
    else if (this.#body.isComplete || !needsBody(traffic, arrival.original.port, true)) this.#judge(this.#body.isComplete);
    else this.#collect();
  }

  #collect(): void {
    const { head, traffic } = this.#options;
    const { bodyMaxBytes, bodyTimeoutMs } = traffic.http;
    if ((head.contentLength ?? 0) > bodyMaxBytes || this.#body.bytes >= bodyMaxBytes) {
      this.#judge(false);
      return;
    }
    this.#state = COLLECTING;
    this.#timer = setTimeout(() => {
      if (this.#state === COLLECTING) this.#judge(false);
    }, bodyTimeoutMs);
    this.#grown();
  }

  /** More of the body is here, of which nobody has got anything. */
  #grown(): void {
    if (this.#state !== COLLECTING) return;
    const { traffic, stream } = this.#options;
    const body = this.#body;
    if (body.bytes >= traffic.http.bodyMaxBytes || !traffic.heldMemory.hasRoom) this.#judge(false);
    else if (body.isComplete) this.#judge(true);
    else {
      const bytes = body.bytes - body.creditedBytes;
      body.credit(bytes);
      stream.consume(bytes);
    }
  }

  /** `hasBody`: filters may look at the body. */
  #judge(hasBody: boolean): void {
    clearTimeout(this.#timer);
    const { arrival, traffic } = this.#options;
    const { pieces } = this.#body;
    const body = hasBody && pieces.length > 0 ? (pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)) : null;
    const judgement = judgeTimed(traffic, arrival.original.port, this.#input(body), clientNeed(arrival, false), "an HTTP/2 request");
    if (!(judgement instanceof Promise)) {
      this.#follow(judgement);
      return;
    }
    this.#state = JUDGING;
    judgement
      .then((settled) => {
        if (this.#state === JUDGING) this.#follow(settled);
      })
      .catch((error: unknown) => traffic.reportBug(error));
  }

  #follow({ stealer, mirrorers, late }: Judgement): void {
    const uri = requestUri(this.#options.head, this.#path ?? "");
    if ((stealer === null && mirrorers.length === 0 && late.length === 0) || !isHttpUri(uri)) {
      this.#passOn();
      return;
    }
    const start = this.#start(uri);
    this.#copies = this.#copiesOf(start, mirrorers, late);
    if (stealer === null) this.#passOn();
    else this.#steal(stealer, start);
  }

  /** What filters see. */
  #input(body: Uint8Array | null): HeaderListInput {
    const { head } = this.#options;
    return new HeaderListInput(head.method, this.#path, head.headers, body);
  }

  #copiesOf(start: RequestStart, mirrorers: readonly Mirrorer[], late: readonly LateMirrorer[]): RequestCopies {
    const { http: limits, heldMemory: memory } = this.#options.traffic;
    const input = (body: Uint8Array | null): HeaderListInput => this.#input(body);
    const lateCopies = late.map((one) => new LateCopy({ late: one, start, hasUpgrade: false, input, limits, memory }));
    return RequestCopies.of(mirrorers, start, false, lateCopies);
  }

  #passOn(): void {
    const { stream, traffic, arrival, fields, target } = this.#options;
    this.#beganMs = traffic.requestBegan("passed", arrival.original.port);
    const passed = new PassedStream({
      peer: stream,
      target: target(),
      fields,
      body: this.#body,
      edits: this.#edits(traffic.passedEdits),
      copies: this.#copies,
      onFailed: (failure) => this.#targetFailed(failure),
      onBroken: (why) => this.#over(why),
    });
    this.#state = passed;
    passed.begin();
  }

  #edits(edits: readonly HeaderEdit[]): readonly HeaderEdit[] {
    const { responseEdit } = this.#options;
    return responseEdit === null ? edits : [...edits, responseEdit];
  }

  #steal(stealer: Stealer, start: RequestStart): void {
    const { stream, socket, traffic, arrival, head, fields } = this.#options;
    const { port } = arrival.original;
    this.#beganMs = traffic.requestBegan("stolen", port);
    const stolen = new StolenStream({
      peer: stream,
      socket,
      stealer,
      body: this.#body,
      isHead: head.method === "HEAD",
      mustContinue: fieldValue(fields, "expect")?.toLowerCase() === "100-continue",
      copies: this.#copies,
      hasMemory: () => traffic.heldMemory.hasRoom,
      stuckTimeoutMs: traffic.http.stuckTimeoutMs,
      response: () => ({ edits: this.#edits(traffic.stolenEdits), date: traffic.date(), maxListBytes: traffic.headerListMaxBytes }),
      onUnheard: () => {
        traffic.requestEnded("stolen", port, this.#beganMs);
        this.#passOn();
      },
      onDropped: (cause) => this.#dropped(cause),
    });
    this.#state = stolen;
    stolen.attach(stealer.takeRequest(start, stolen));
  }

  #start(uri: string): RequestStart {
    const { head, arrival } = this.#options;
    const { pieces, trailers, isComplete } = this.#body;
    const data = pieces.map((value) => ({ kind: "data", value }) as const);
    return {
      method: head.method,
      uri,
      headers: groupedFields(head.headers),
      version: "HTTP/2.0",
      arrival,
      frames: trailers === null ? data : [...data, trailersFrame(trailers)],
      isLast: isComplete,
    };
  }

  /** There will be no answer. `cause` is null where one had begun. */
  #dropped(cause: BadGatewayCause | null): void {
    if (cause !== null) this.#answer(REQUEST_DROPPED, cause);
    this.#over(REQUEST_DROPPED);
  }

  #targetFailed({ message, isRefused }: TargetFailure): void {
    const { stream } = this.#options;
    if (isRefused) stream.reset(ErrorCode.refusedStream);
    else this.#answer(`failed to pass the request to its original destination: ${message}`, "target_failed");
    this.#over(message);
  }

  /** Answers with the agent's own 502. */
  #answer(message: string, cause: BadGatewayCause): void {
    const { stream, traffic, head } = this.#options;
    if (stream.isOver) return;
    traffic.countBadGateway(cause);
    answerAtOnce(stream, badGatewayAnswer(traffic.agentVersion, message, traffic.date()), head.method === "HEAD");
  }

  #over(error: string | null): void {
    const state = this.#state;
    if (state.kind === "over") return;
    this.#state = OVER;
    clearTimeout(this.#timer);
    this.#body.release();
    this.#copies.exchangeEnded(error);
    const { traffic, arrival, headBytes, onOver } = this.#options;
    traffic.heldMemory.change(-headBytes);
    const { port } = arrival.original;
    if (state.kind === "passing") traffic.requestEnded("passed", port, this.#beganMs);
    if (state.kind === "stealing") traffic.requestEnded("stolen", port, this.#beganMs);
    onOver();
  }
}
