// One request that a client answers: feeds it the body, and writes the client's response to the peer as HTTP.

import type { HttpHeaders, InternalHttpBodyFrame } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { MirroredRequest } from "../mirror/mirrorClient.ts";
import type { RequestPeer, StolenRequest } from "../steal/stolenRequest.ts";
import type { BodyTracker } from "./bodyFraming.ts";
import { badGateway, REQUEST_DROPPED } from "./errorResponse.ts";
import { ResponseBodyEncoder } from "./responseBody.ts";
import { encodeResponseHead, type ResponseContext } from "./responseHead.ts";

const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

export interface StolenExchangeOptions {
  readonly peer: ByteSocket;
  readonly context: ResponseContext;
  readonly agentVersion: string;
  /** The request's body that was not there with its head; null when there is none. */
  readonly body: BodyTracker | null;
  readonly expectContinue: boolean;
  readonly mirrors: readonly MirroredRequest[];
  /** Called when something changed that the connection must act on: see `isOver`. */
  readonly onChange: () => void;
  /** Says how much waits for the peer. */
  readonly setPending: (bytes: number) => void;
}

export class StolenExchange implements RequestPeer {
  readonly #options: StolenExchangeOptions;
  #request: StolenRequest | null = null;
  #isBodyDone: boolean;
  #encoder: ResponseBodyEncoder | null = null;
  #isSwitch = false;
  #isAnswered = false;
  #mustClose = false;
  #isCut = false;

  constructor(options: StolenExchangeOptions) {
    this.#options = options;
    this.#isBodyDone = options.body === null;
  }

  /** Gives it the request that the client knows. */
  attach(request: StolenRequest): void {
    this.#request = request;
    if (this.#options.expectContinue && !this.#isBodyDone && !this.#isAnswered) this.#options.peer.write(CONTINUE);
  }

  get request(): StolenRequest | null {
    return this.#request;
  }

  get isBodyDone(): boolean {
    return this.#isBodyDone;
  }

  /** The whole response has been written, or none will be. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** The response switched protocols: what follows on the connection belongs to the client. */
  get isSwitch(): boolean {
    return this.#isSwitch;
  }

  /** The connection must end after this exchange. */
  get mustClose(): boolean {
    return this.#mustClose || !this.#options.context.keepAlive;
  }

  /** The response broke off: the peer must be able to tell. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Takes body bytes; returns how many belonged to it, or null when they are malformed. */
  takeBody(bytes: Uint8Array, start: number, end: number): number | null {
    const { body, mirrors } = this.#options;
    if (body === null || this.#isBodyDone) return 0;
    const frames: InternalHttpBodyFrame[] = [];
    const state = body.decode(bytes, start, end, {
      onData: (view) => frames.push({ kind: "data", value: Uint8Array.from(view) }),
      onTrailers: (trailers) => frames.push({ kind: "trailers", value: trailers }),
    });
    if (state === "malformed") return null;
    this.#isBodyDone = state === "done";
    if (frames.length > 0 || this.#isBodyDone) {
      this.#request?.body(frames, this.#isBodyDone);
      for (const mirror of mirrors) {
        mirror.body(frames);
        if (this.#isBodyDone) mirror.finish();
      }
    }
    return body.consumed;
  }

  /** The peer has gone, or broke off its body. */
  peerFailed(error: string): void {
    this.#isAnswered = true;
    this.#request?.peerFailed(error);
    for (const mirror of this.#options.mirrors) mirror.failed(error);
  }

  /** The connection ends: no more of the request will come. */
  endMirrors(): void {
    for (const mirror of this.#options.mirrors) mirror.close();
  }

  respond(
    head: { readonly status: number; readonly headers: HttpHeaders } | null,
    frames: readonly InternalHttpBodyFrame[],
    isLast: boolean,
  ): void {
    if (this.#isAnswered) return;
    const { peer, context, setPending } = this.#options;
    const pieces: Uint8Array[] = [];
    if (head !== null) pieces.push(this.#beginResponse(head, frames, isLast));
    const encoder = this.#encoder!;
    for (const frame of frames) if (frame.kind === "data") pieces.push(...encoder.data(frame.value));
    if (isLast) {
      const trailers = frames.find((frame) => frame.kind === "trailers");
      pieces.push(...encoder.end(trailers?.value ?? []));
    }
    if (!peer.writeAll(pieces)) setPending(peer.backlog);
    if (!isLast) return;
    this.#isAnswered = true;
    this.#mustClose ||= !context.keepAlive;
    this.#request?.delivered(this.#isSwitch);
    this.#options.onChange();
  }

  drop(): void {
    if (this.#isAnswered) return;
    const { peer, context, agentVersion } = this.#options;
    this.#isAnswered = true;
    if (this.#encoder === null) {
      peer.write(badGateway(agentVersion, REQUEST_DROPPED, { ...context, keepAlive: false }, context.date));
      this.#mustClose = true;
    } else {
      this.#isCut = true;
    }
    this.#options.onChange();
  }

  #beginResponse(
    head: { readonly status: number; readonly headers: HttpHeaders },
    frames: readonly InternalHttpBodyFrame[],
    isLast: boolean,
  ): Uint8Array {
    const bytes = frames.reduce((sum, frame) => sum + (frame.kind === "data" ? frame.value.length : 0), 0);
    const hasTrailers = frames.some((frame) => frame.kind === "trailers");
    const body = isLast ? { kind: "complete" as const, bytes, hasTrailers } : { kind: "streamed" as const };
    const encoded = encodeResponseHead({ ...head, body }, this.#options.context);
    this.#encoder = new ResponseBodyEncoder(encoded.framing);
    this.#isSwitch = encoded.isSwitch;
    this.#mustClose = encoded.closes;
    return encoded.bytes;
  }
}
