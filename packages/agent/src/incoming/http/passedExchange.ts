// One request that goes on to the target, and its response on the way back. Bytes are passed on as they are; the only change is the response headers that the
// agent was told to set. It follows both messages just far enough to know where they end.

import type { InternalHttpBodyFrame } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import { type BodyTracker, ChunkedBody, LengthBody, UntilCloseBody } from "./bodyFraming.ts";
import type { HeadLimits, RequestHead, ResponseHead } from "./head.ts";
import type { RequestCopies } from "./requestCopies.ts";
import { type HeaderEdit, rewriteHead } from "./rewriteHead.ts";

/** What the response has come to. "raw": it cannot be followed, the rest of the connection is bytes; "switched": it is no longer HTTP. */
export type ResponseState = "open" | "done" | "raw" | "switched";

export interface PassedExchangeOptions {
  readonly peer: ByteSocket;
  readonly target: ByteSocket;
  /** Used again for each response. */
  readonly responseHead: ResponseHead;
  readonly limits: HeadLimits;
  readonly edits: readonly HeaderEdit[];
  readonly copies: RequestCopies;
  /** The peer was told to go on with its body: the target's own word for it is left out. */
  readonly hasContinued: boolean;
}

const CONTINUE_STATUS = 100;

export class PassedExchange {
  readonly kind = "passing";
  readonly #options: PassedExchangeOptions;
  readonly #isHead: boolean;
  readonly #isConnect: boolean;
  readonly #requestKeepsAlive: boolean;
  readonly #requestBody: BodyTracker | null;
  #isRequestDone: boolean;
  #isBroken = false;
  #mustLeaveOutContinue: boolean;
  #responseBody: BodyTracker | null = null;
  /** Response bytes that are not a whole head yet, in memory of their own. */
  #held: Uint8Array | null = null;
  #state: ResponseState = "open";
  #responseKeepsAlive = true;

  constructor(head: RequestHead, options: PassedExchangeOptions) {
    this.#options = options;
    this.#isHead = head.isHead;
    this.#isConnect = head.isConnect;
    this.#requestKeepsAlive = head.keepAlive;
    this.#requestBody = requestBody(head);
    this.#isRequestDone = this.#requestBody === null;
    this.#mustLeaveOutContinue = options.hasContinued;
    options.responseHead.reset();
  }

  /** Whether all of the request has been passed on. */
  get isRequestDone(): boolean {
    return this.#isRequestDone;
  }

  /** Whether its body turned out not to be what it says. All that was given has been passed on nevertheless: that is the target's to judge. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  get state(): ResponseState {
    return this.#state;
  }

  /** Passes on the request's head and what there is of its body. Returns where in `bytes[start, end)` that ends. */
  begin(bytes: Uint8Array, start: number, end: number, headLength: number): number {
    const bodyEnd = this.#followBody(bytes, start + headLength, end, this.#options.copies);
    this.#passOn(bytes, start, bodyEnd);
    return bodyEnd;
  }

  /** As `begin`, for a request of which as much as is given was copied before. */
  beginAgain(bytes: Uint8Array, headLength: number): void {
    const bodyEnd = this.#followBody(bytes, headLength, bytes.length, null);
    this.#passOn(bytes, 0, bodyEnd);
  }

  /** Passes on more of the request's body. Returns where in `bytes[start, end)` it ends. */
  body(bytes: Uint8Array, start: number, end: number): number {
    const bodyEnd = this.#followBody(bytes, start, end, this.#options.copies);
    this.#passOn(bytes, start, bodyEnd);
    return bodyEnd;
  }

  /** Passes on what the target sent. Returns what lies behind the response, if anything, and whether the peer took it all at once. */
  response(view: Uint8Array): { rest: Uint8Array | null; mayGoOn: boolean } {
    const { peer, target } = this.#options;
    const bytes = this.#held === null ? view : Buffer.concat([this.#held, view]);
    const owner = this.#held === null ? target : undefined;
    this.#held = null;
    const pieces: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length && this.#state === "open") {
      const end =
        this.#responseBody === null ? this.#scanHead(bytes, at, pieces) : this.#followResponseBody(this.#responseBody, bytes, at, pieces);
      if (end === at) break;
      at = end;
    }
    const mayGoOn = pieces.length === 0 || peer.writeAll(pieces, owner);
    const rest = at < bytes.length && this.#state !== "open" ? bytes.subarray(at) : null;
    return { rest, mayGoOn };
  }

  /** The response is followed no more: what was held of a head goes on as it is. */
  release(): void {
    if (this.#held !== null) this.#options.peer.write(this.#held);
    this.#held = null;
  }

  /** The target ended its direction. */
  targetEnded(): void {
    this.release();
    if (this.#responseBody?.endOfStream() === "done") this.#state = "done";
  }

  /** Whether the connection to the peer may carry another request. */
  get keepsAlive(): boolean {
    return this.#requestKeepsAlive && this.#responseKeepsAlive;
  }

  get copies(): RequestCopies {
    return this.#options.copies;
  }

  #passOn(bytes: Uint8Array, start: number, end: number): void {
    this.#options.target.write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#options.peer);
  }

  /** Returns where in `bytes[start, end)` the request ends. */
  #followBody(bytes: Uint8Array, start: number, end: number, copies: RequestCopies | null): number {
    const body = this.#requestBody;
    if (body === null || this.#isRequestDone) return start;
    const state = copies === null || copies.isEmpty ? body.advance(bytes, start, end) : copyBody(copies, body, bytes, start, end);
    if (state === "done") this.#isRequestDone = true;
    this.#isBroken = state === "malformed";
    return this.#isBroken ? end : start + body.consumed;
  }

  /** Returns where the head ends; `at` when it is not all there, or the response cannot be followed. */
  #scanHead(bytes: Uint8Array, at: number, pieces: Uint8Array[]): number {
    const { responseHead: head, edits, limits } = this.#options;
    const result = head.scan(bytes, at, bytes.length, { isHead: this.#isHead, isConnect: this.#isConnect }, limits);
    if (result === "incomplete") {
      this.#held = new Uint8Array(bytes.subarray(at));
      return at;
    }
    if (result !== "complete") {
      this.#state = "raw";
      return at;
    }
    const end = at + head.length;
    if (head.isInterim) {
      if (this.#mustLeaveOutContinue && head.status === CONTINUE_STATUS) this.#mustLeaveOutContinue = false;
      else pieces.push(bytes.subarray(at, end));
      return end;
    }
    pieces.push(edits.length > 0 ? rewriteHead(bytes, head, edits) : bytes.subarray(at, end));
    this.#responseKeepsAlive = head.keepAlive;
    this.#beginResponseBody(head);
    return end;
  }

  #followResponseBody(body: BodyTracker, bytes: Uint8Array, at: number, pieces: Uint8Array[]): number {
    const state = body.advance(bytes, at, bytes.length);
    const end = state === "malformed" ? bytes.length : at + body.consumed;
    // The head before it is usually its neighbour, and leaves with it as one.
    const last = pieces.at(-1);
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset + at) {
      pieces[pieces.length - 1] = bytes.subarray(at - last.length, end);
    } else pieces.push(bytes.subarray(at, end));
    if (state !== "more") this.#state = state === "done" ? "done" : "raw";
    return end;
  }

  #beginResponseBody(head: ResponseHead): void {
    if (head.isSwitch) this.#state = "switched";
    else if (head.bodyKind === "none" || (head.bodyKind === "length" && head.bodyLength === 0)) this.#state = "done";
    else if (head.bodyKind === "length") this.#responseBody = new LengthBody(head.bodyLength);
    else this.#responseBody = head.bodyKind === "chunked" ? new ChunkedBody() : new UntilCloseBody();
  }
}

function copyBody(
  copies: RequestCopies,
  body: BodyTracker,
  bytes: Uint8Array,
  start: number,
  end: number,
): ReturnType<BodyTracker["advance"]> {
  const frames: InternalHttpBodyFrame[] = [];
  const state = body.decode(bytes, start, end, {
    onData: (view) => frames.push({ kind: "data", value: Uint8Array.from(view) }),
    onTrailers: (trailers) => frames.push({ kind: "trailers", value: trailers }),
  });
  copies.body(frames, state === "done");
  return state;
}

/** A tracker for the request's body; null when it has none. */
export function requestBody(head: RequestHead): BodyTracker | null {
  if (head.bodyKind === "chunked") return new ChunkedBody();
  return head.bodyKind === "length" && head.bodyLength > 0 ? new LengthBody(head.bodyLength) : null;
}
