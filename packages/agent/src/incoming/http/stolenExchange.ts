// One request that a client answers: feeds it the body, and writes the client's response to the peer as HTTP. It keeps the request's bytes for as long as the client may
// leave without having heard of it: the target then gets it as if nothing had been.

import type { HttpHeaders, InternalHttpBodyFrame } from "@understudy/protocol";
import { payloadBytes } from "./bodyFrames.ts";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { BadGatewayCause } from "../../metrics/metrics.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import type { RequestPeer, StolenRequest } from "../steal/stolenRequest.ts";
import type { Stealer } from "../subscriptions.ts";
import type { BodyState, BodyTracker } from "./bodyFraming.ts";
import { badGateway, REQUEST_DROPPED } from "./errorResponse.ts";
import type { HeldMemory } from "./heldBytes.ts";
import type { PeerBacklog } from "./peerBacklog.ts";
import type { RequestCopies } from "./requestCopies.ts";
import { ResponseBodyEncoder } from "./responseBody.ts";
import { encodeResponseHead, type ResponseContext } from "./responseHead.ts";

/** A request of more bytes is let go of soon after the client has heard of it, a smaller one when it is answered. */
const KEPT_LONG_MAX_BYTES = 4096;
/** How often it is looked whether the client has heard, in ms. */
const HEARD_CHECK_MS = 500;

export interface StolenExchangeOptions {
  readonly peer: ByteSocket;
  readonly stealer: Stealer;
  readonly context: ResponseContext;
  readonly traffic: Pick<IncomingTraffic, "agentVersion" | "countBadGateway">;
  /** The request as far as it is there, in memory that never changes. */
  readonly request: Uint8Array;
  /** The request's body that was not there with its head; null when there is none. */
  readonly body: BodyTracker | null;
  readonly copies: RequestCopies;
  readonly backlog: PeerBacklog;
  readonly memory: HeldMemory;
  /** Called when there is an end: the connection must act on it. */
  readonly onEnd: () => void;
}

/**
 * How it ended for the peer: "answered" in full; "closes": so that the connection must end, too; "cut": broken off, which the peer must be able to tell; "unheard": the client
 * never heard of the request, and all of it that there was is in `kept`.
 */
export type StolenEnd = "answered" | "closes" | "cut" | "unheard";

export class StolenExchange implements RequestPeer {
  readonly kind = "stealing";
  readonly #options: StolenExchangeOptions;
  #request: StolenRequest | null = null;
  #isBodyDone: boolean;
  /** The request's bytes so far; null when the target can no longer get it. */
  #kept: Uint8Array[] | null;
  #keptBytes: number;
  #encoder: ResponseBodyEncoder | null = null;
  #isSwitch = false;
  #mustClose = false;
  #end: StolenEnd | null = null;
  #heardCheck: NodeJS.Timeout | undefined;

  constructor(options: StolenExchangeOptions) {
    this.#options = options;
    this.#isBodyDone = options.body === null;
    this.#kept = [options.request];
    this.#keptBytes = options.request.length;
    options.memory.change(this.#keptBytes);
  }

  /** Gives it the request that the client knows. */
  attach(request: StolenRequest): void {
    this.#request = request;
    this.#watchHeard();
  }

  get request(): StolenRequest | null {
    return this.#request;
  }

  get stealer(): Stealer {
    return this.#options.stealer;
  }

  get copies(): RequestCopies {
    return this.#options.copies;
  }

  get isBodyDone(): boolean {
    return this.#isBodyDone;
  }

  /** Null while more of the response may come. */
  get end(): StolenEnd | null {
    return this.#end;
  }

  /** Whether the peer has got anything of an answer. */
  get hasAnswered(): boolean {
    return this.#end === null ? this.#encoder !== null : this.#end !== "unheard";
  }

  /** The response switched protocols: what follows on the connection belongs to the client. */
  get isSwitch(): boolean {
    return this.#isSwitch;
  }

  /** The request as far as it came; only after the end "unheard". */
  get kept(): Uint8Array {
    const kept = this.#kept ?? [];
    return kept.length === 1 ? kept[0]! : Buffer.concat(kept);
  }

  /** Takes body bytes; returns how many belonged to it, or null when they are malformed. */
  takeBody(bytes: Uint8Array, start: number, end: number): number | null {
    const { body, peer } = this.#options;
    if (body === null || this.#isBodyDone) return 0;
    const mustKeep = this.#mayKeep(end - start);
    if (this.#request?.isWaitingForBody === true && !mustKeep) {
      this.#request.passOver("its body is larger than may be collected for this mirrord-protocol version");
      return 0;
    }
    const frames: InternalHttpBodyFrame[] = [];
    const source = mustKeep ? new Uint8Array(bytes.subarray(start, end)) : bytes.subarray(start, end);
    const state = body.decode(source, 0, source.length, {
      onData: (value) => frames.push({ kind: "data", value }),
      onTrailers: (trailers) => frames.push({ kind: "trailers", value: trailers }),
    });
    if (state === "malformed") return null;
    if (mustKeep) this.#keep(source.subarray(0, body.consumed));
    this.#isBodyDone = state === "done";
    if (frames.length > 0 || this.#isBodyDone) this.#passBody(frames, state, mustKeep ? undefined : peer);
    return body.consumed;
  }

  /** The peer has gone, or broke off its body. */
  peerFailed(error: string): void {
    this.#finish("cut");
    this.#request?.peerFailed(error);
    this.#options.copies.exchangeEnded(error);
  }

  /** Gives back what it holds. */
  release(): void {
    clearInterval(this.#heardCheck);
    this.#options.memory.change(-this.#keptBytes);
    this.#kept = null;
    this.#keptBytes = 0;
  }

  respond(
    head: { readonly status: number; readonly headers: HttpHeaders } | null,
    frames: readonly InternalHttpBodyFrame[],
    isLast: boolean,
  ): void {
    if (this.#end !== null) return;
    const { peer, backlog, onEnd } = this.#options;
    const pieces: Uint8Array[] = [];
    if (head !== null) pieces.push(this.#beginResponse(head, frames, isLast));
    const encoder = this.#encoder!;
    for (const frame of frames) if (frame.kind === "data") pieces.push(...encoder.data(frame.value));
    if (isLast) {
      const trailers = frames.find((frame) => frame.kind === "trailers");
      pieces.push(...encoder.end(trailers?.value ?? []));
    }
    if (!peer.writeAll(pieces)) backlog.update();
    if (!isLast) return;
    this.#finish(this.#mustClose ? "closes" : "answered");
    this.#request?.delivered(this.#isSwitch);
    onEnd();
  }

  drop(cause: BadGatewayCause, isUnheard: boolean): void {
    if (this.#end !== null) return;
    const { peer, context, traffic, onEnd } = this.#options;
    if (this.#encoder !== null) this.#finish("cut");
    else if (isUnheard && this.#kept !== null) this.#finish("unheard");
    else {
      traffic.countBadGateway(cause);
      peer.write(badGateway(traffic.agentVersion, REQUEST_DROPPED, { ...context, keepAlive: false }, context.date));
      this.#finish("closes");
    }
    onEnd();
  }

  #finish(end: StolenEnd): void {
    this.#end ??= end;
  }

  /** Whether the next `bytes` of the body will be kept. Ends the keeping where it has become pointless or too much. */
  #mayKeep(bytes: number): boolean {
    if (this.#kept === null) return false;
    const request = this.#request;
    if (this.#options.memory.hasRoom && request?.isWorthKeeping(this.#keptBytes + bytes) === true) return true;
    if (request?.isWaitingForBody !== true) this.release();
    return false;
  }

  #keep(piece: Uint8Array): void {
    this.#kept?.push(piece);
    this.#keptBytes += piece.length;
    this.#options.memory.change(piece.length);
    this.#watchHeard();
  }

  /** A client may take its time to answer: until then a large request would only take up room. */
  #watchHeard(): void {
    if (this.#keptBytes <= KEPT_LONG_MAX_BYTES || this.#heardCheck !== undefined) return;
    this.#heardCheck = setInterval(() => {
      if (this.#request?.isUnheard !== true) this.release();
    }, HEARD_CHECK_MS);
  }

  /** `owner` owns the memory of the frames; undefined when it is theirs for good. */
  #passBody(frames: readonly InternalHttpBodyFrame[], state: BodyState, owner: ByteSocket | undefined): void {
    const { copies } = this.#options;
    const isDone = state === "done";
    if (!copies.isEmpty) copies.body(owner === undefined ? frames : frames.map(copyOf), isDone);
    this.#request?.body(frames, isDone, owner);
  }

  #beginResponse(
    head: { readonly status: number; readonly headers: HttpHeaders },
    frames: readonly InternalHttpBodyFrame[],
    isLast: boolean,
  ): Uint8Array {
    const bytes = payloadBytes(frames);
    const hasTrailers = frames.some((frame) => frame.kind === "trailers");
    const body = isLast ? { kind: "complete" as const, bytes, hasTrailers } : { kind: "streamed" as const };
    const encoded = encodeResponseHead({ status: head.status, headers: head.headers, body }, this.#options.context);
    this.#encoder = new ResponseBodyEncoder(encoded.framing);
    this.#isSwitch = encoded.isSwitch;
    this.#mustClose = encoded.closes;
    return encoded.bytes;
  }
}

function copyOf(frame: InternalHttpBodyFrame): InternalHttpBodyFrame {
  return frame.kind === "data" ? { kind: "data", value: new Uint8Array(frame.value) } : frame;
}
