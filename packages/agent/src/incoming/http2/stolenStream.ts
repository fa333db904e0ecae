// One request that a client answers: feeds it the body, and writes the client's response to the peer's stream. It keeps the request's body for as long as the client may leave without having heard
// of it: the target then gets it as if nothing had been.

import type { HttpHeaders, InternalHttpBodyFrame } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { BadGatewayCause } from "../../metrics/metrics.ts";
import { StuckWatch } from "../../task/stuckWatch.ts";
import type { RequestCopies } from "../http/requestCopies.ts";
import { InvalidResponse } from "../http/responseHead.ts";
import type { RequestPeer, StolenRequest } from "../steal/stolenRequest.ts";
import type { Stealer } from "../subscriptions.ts";
import { ErrorCode } from "./errors.ts";
import type { Field } from "./fields.ts";
import { type ResponseFieldsOptions, responseFields, trailerFields } from "./messageFields.ts";
import { trailersFrame } from "./requestCopying.ts";
import type { RequestBody } from "./requestBody.ts";
import type { Stream, StreamBreak } from "./stream.ts";

export interface StolenStreamOptions {
  readonly peer: Stream;
  /** Where the views of the body lie. */
  readonly socket: ByteSocket;
  readonly stealer: Stealer;
  /** What was there of the body. */
  readonly body: RequestBody;
  /** The answer has no body, whatever the client sends. */
  readonly isHead: boolean;
  readonly mustContinue: boolean;
  readonly copies: RequestCopies;
  /** Where kept bytes are counted. */
  readonly hasMemory: () => boolean;
  readonly stuckTimeoutMs: number;
  /** Read when the response begins. */
  readonly response: () => ResponseFieldsOptions;
  /** The client never heard of the request, and all of it that there is is in `body`. */
  readonly onUnheard: () => void;
  /** There will be no answer, or no more of it: `cause` is null where it had begun. */
  readonly onDropped: (cause: BadGatewayCause | null) => void;
}

export class StolenStream implements RequestPeer {
  readonly kind = "stealing";
  readonly #options: StolenStreamOptions;
  readonly #setWaiting: (bytes: number) => void;
  #request: StolenRequest | null = null;
  #isKept = true;
  /** Bytes that the peer is told of when the client has room. */
  #owedBytes = 0;
  #withdraw: (() => void) | null = null;
  #state: "waiting" | "answering" | "answered" | "dropped" = "waiting";
  /** What `content-length` of the response says is still to come; null without one. */
  #expectedBytes: number | null = null;
  #hasNoBody = false;
  #sentBytes = 0;
  #watch: StuckWatch | null = null;

  constructor(options: StolenStreamOptions) {
    this.#options = options;
    this.#setWaiting = options.stealer.trackPending();
  }

  /** Gives it the request that the client knows, with what there was of the body. */
  attach(request: StolenRequest): void {
    this.#request = request;
    if (this.#state === "dropped") return;
    const { body, peer, mustContinue } = this.#options;
    this.#credit(body.bytes - body.creditedBytes);
    if (mustContinue && !body.isComplete && this.#state === "waiting") peer.sendInterim([[":status", "100"]]);
  }

  /** More of the request's body. False when it is not for this client after all. */
  data(view: Uint8Array, isEnd: boolean): boolean {
    const { body, socket, copies } = this.#options;
    if (this.#request === null) return true;
    const mustKeep = this.#mayKeep(view.length);
    if (this.#request.isWaitingForBody && !mustKeep) {
      this.#request.passOver("its body is larger than may be collected for this mirrord-protocol version");
      return false;
    }
    const mustCopy = mustKeep || !copies.isEmpty;
    const value = mustKeep ? body.add(view, isEnd) : mustCopy ? new Uint8Array(view) : view;
    const frames: InternalHttpBodyFrame[] = view.length === 0 ? [] : [{ kind: "data", value }];
    copies.body(frames, isEnd);
    this.#request.body(frames, isEnd, mustCopy ? undefined : socket);
    this.#credit(view.length);
    return true;
  }

  trailers(fields: readonly Field[]): void {
    const { body, copies } = this.#options;
    if (this.#isKept) body.end(fields);
    const frames = [trailersFrame(fields)];
    copies.body(frames, true);
    this.#request?.body(frames, true);
  }

  /** Bytes of the response have left for the peer. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
    const { queuedBytes } = this.#options.peer;
    this.#setWaiting(queuedBytes);
    if (queuedBytes === 0 && this.#watch !== null) this.#watch.isWaiting = false;
  }

  /** The peer's stream is over. */
  peerClosed(cause: StreamBreak | null): void {
    this.#release();
    if (cause !== null && this.#state !== "answered") this.#request?.peerFailed(cause.why);
    this.#state = "answered";
  }

  respond(
    head: { readonly status: number; readonly headers: HttpHeaders } | null,
    frames: readonly InternalHttpBodyFrame[],
    isLast: boolean,
  ): void {
    if (this.#state === "answered" || this.#state === "dropped") return;
    const { peer } = this.#options;
    const pieces = frames.flatMap((frame) => (frame.kind === "data" && frame.value.length > 0 ? [frame.value] : []));
    const trailers = this.#trailersOf(frames);
    const fields = head === null ? null : this.#beginResponse(head, pieces, isLast);
    if (fields !== null) {
      const isAll = isLast && trailers === null && (pieces.length === 0 || this.#hasNoBody);
      peer.sendHeaders(fields, isAll);
      this.#state = "answering";
    }
    if (!this.#hasNoBody) this.#sendPieces(pieces, isLast, trailers);
    else if (isLast) peer.end(null);
    this.#setWaiting(peer.queuedBytes);
    if (peer.queuedBytes > 0) this.#watchPeer();
    if (!isLast) return;
    this.#state = "answered";
    this.#request?.delivered(false);
    // What still comes of the request is of no use.
    peer.resetWhenSent(ErrorCode.noError);
  }

  drop(cause: BadGatewayCause, isUnheard: boolean): void {
    if (this.#state === "answered" || this.#state === "dropped") return;
    const { peer, onUnheard, onDropped } = this.#options;
    const wasBegun = this.#state === "answering";
    this.#state = "dropped";
    const wasKept = this.#isKept;
    // The credit that is owed is for bytes that are in the body.
    this.#withdraw?.();
    this.#withdraw = null;
    if (wasBegun) {
      this.#release();
      peer.reset(ErrorCode.internalError);
      onDropped(null);
    } else if (isUnheard && wasKept) {
      this.#payOwed();
      this.#setWaiting(0);
      onUnheard();
    } else {
      this.#release();
      onDropped(cause);
    }
  }

  #beginResponse(
    head: { readonly status: number; readonly headers: HttpHeaders },
    pieces: readonly Uint8Array[],
    isLast: boolean,
  ): readonly Field[] {
    const options = this.#options.response();
    const fields = responseFields(head.status, head.headers, options);
    this.#hasNoBody = this.#options.isHead || head.status === 204 || head.status === 304;
    const lengths = new Set(fields.flatMap(([name, value]) => (name === "content-length" ? [value] : [])));
    const [length] = lengths;
    if (length === undefined || this.#hasNoBody) return fields;
    if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) throw new InvalidResponse("malformed content-length");
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (isLast && bytes !== Number(length)) throw new InvalidResponse(`content-length ${length} with a body of ${bytes} bytes`);
    this.#expectedBytes = Number(length);
    return fields;
  }

  #sendPieces(pieces: readonly Uint8Array[], isLast: boolean, trailers: readonly Field[] | null): void {
    const { peer } = this.#options;
    for (const [index, piece] of pieces.entries()) {
      this.#expect(piece.length);
      const isEnd = isLast && trailers === null && index === pieces.length - 1;
      if (isEnd) this.#expectEnd();
      peer.send(piece, isEnd, true);
    }
    if (!isLast) return;
    this.#expectEnd();
    // Without effect where the stream has ended already.
    peer.end(trailers);
  }

  #expect(bytes: number): void {
    if (this.#expectedBytes === null) return;
    this.#expectedBytes -= bytes;
    if (this.#expectedBytes < 0) throw new InvalidResponse("body longer than its content-length");
  }

  #expectEnd(): void {
    if (this.#expectedBytes !== null && this.#expectedBytes !== 0) throw new InvalidResponse("body shorter than its content-length");
  }

  #trailersOf(frames: readonly InternalHttpBodyFrame[]): readonly Field[] | null {
    const frame = frames.find(({ kind }) => kind === "trailers");
    return frame?.kind === "trailers" ? trailerFields(frame.value, this.#options.response().maxListBytes) : null;
  }

  /** Whether the next `bytes` of the body will be kept. Ends the keeping where it has become pointless or too much. */
  #mayKeep(bytes: number): boolean {
    if (!this.#isKept) return false;
    const { body, hasMemory } = this.#options;
    const request = this.#request;
    if (hasMemory() && request?.isWorthKeeping(body.bytes + bytes) === true) return true;
    if (request?.isWaitingForBody !== true) this.#endKeeping();
    return false;
  }

  #endKeeping(): void {
    this.#isKept = false;
    this.#options.body.release();
  }

  /** Lets the peer send as many bytes more, when the client has room. */
  #credit(bytes: number): void {
    this.#owedBytes += bytes;
    const { link } = this.#options.stealer;
    if (link.hasRoom || this.#request?.isWaitingForBody === true) this.#payOwed();
    else
      this.#withdraw ??= link.whenRoom(() => {
        this.#withdraw = null;
        this.#payOwed();
      });
  }

  #payOwed(): void {
    const bytes = this.#owedBytes;
    this.#owedBytes = 0;
    if (bytes === 0) return;
    if (this.#isKept) this.#options.body.credit(bytes);
    this.#options.peer.consume(bytes);
  }

  /** The peer takes nothing of what the client answered: without an end to that the client would wait for it for good. */
  #watchPeer(): void {
    const { peer, stuckTimeoutMs } = this.#options;
    this.#watch ??= new StuckWatch({
      timeoutMs: stuckTimeoutMs,
      progress: () => this.#sentBytes,
      onStuck: () => {
        const why = `the peer took nothing for ${stuckTimeoutMs} ms`;
        peer.reset(ErrorCode.cancel);
        this.peerClosed({ code: ErrorCode.cancel, why });
        this.#options.onDropped(null);
      },
    });
    this.#watch.isWaiting = true;
  }

  /** Lets go of everything. */
  #release(): void {
    this.#withdraw?.();
    this.#withdraw = null;
    this.#watch?.[Symbol.dispose]();
    this.#watch = null;
    this.#setWaiting(0);
    this.#endKeeping();
  }
}
