// One request that goes on to the target, and its response on the way back. Bytes are passed on as they are; the only change is the response headers that the
// agent was told to set. It follows both messages just far enough to know where they end.

import type { InternalHttpBodyFrame } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { MirroredRequest } from "../mirror/mirrorClient.ts";
import { type BodyTracker, ChunkedBody, LengthBody, UntilCloseBody } from "./bodyFraming.ts";
import { type RequestHead, ResponseHead } from "./head.ts";
import { type HeaderEdit, rewriteHead } from "./rewriteHead.ts";

/** What the response has come to. "raw": it cannot be followed, the rest of the connection is bytes; "switched": it is no longer HTTP. */
export type ResponseState = "open" | "done" | "raw" | "switched";

export interface PassedExchangeOptions {
  readonly peer: ByteSocket;
  readonly target: ByteSocket;
  readonly edits: readonly HeaderEdit[];
  readonly mirrors: readonly MirroredRequest[];
}

export class PassedExchange {
  readonly #options: PassedExchangeOptions;
  readonly #isHead: boolean;
  readonly #isConnect: boolean;
  readonly #requestKeepsAlive: boolean;
  readonly #requestBody: BodyTracker | null;
  #isRequestDone: boolean;
  readonly #responseHead = new ResponseHead();
  #responseBody: BodyTracker | null = null;
  /** Response bytes that are not a whole head yet, in memory of their own. */
  #held: Uint8Array | null = null;
  #state: ResponseState = "open";
  #hasHead = false;

  constructor(head: RequestHead, options: PassedExchangeOptions) {
    this.#options = options;
    this.#isHead = head.isHead;
    this.#isConnect = head.isConnect;
    this.#requestKeepsAlive = head.keepAlive;
    this.#requestBody = requestBody(head);
    this.#isRequestDone = this.#requestBody === null;
  }

  /** Whether all of the request has been passed on. */
  get isRequestDone(): boolean {
    return this.#isRequestDone;
  }

  get state(): ResponseState {
    return this.#state;
  }

  /** Whether anything of the response has reached the peer. */
  get hasAnswered(): boolean {
    return this.#hasHead;
  }

  /**
   * Passes on `bytes[start, end)` as far as they belong to the request; the first call begins with its head of `headLength` bytes.
   * Returns how many did, and whether the target took them at once.
   */
  request(bytes: Uint8Array, start: number, end: number, headLength: number): { consumed: number; mayGoOn: boolean; isBroken: boolean } {
    const bodyStart = start + headLength;
    let consumed = headLength;
    let isBroken = false;
    const body = this.#requestBody;
    if (body !== null && !this.#isRequestDone) {
      const { mirrors } = this.#options;
      const state = mirrors.length === 0 ? body.advance(bytes, bodyStart, end) : this.#mirrorBody(body, bytes, bodyStart, end);
      consumed += body.consumed;
      if (state === "done") this.#isRequestDone = true;
      isBroken = state === "malformed";
    }
    // A body that is not what it says is the target's to judge: it gets every byte.
    const passedEnd = isBroken ? end : start + consumed;
    const mayGoOn = this.#options.target.write(bytes.subarray(start, passedEnd), this.#options.peer);
    return { consumed: passedEnd - start, mayGoOn, isBroken };
  }

  /** Passes on what the target sent. Returns what lies behind the response, if anything, and whether the peer took it all at once. */
  response(view: Uint8Array): { rest: Uint8Array | null; mayGoOn: boolean } {
    const { peer, target, edits } = this.#options;
    const bytes = this.#held === null ? view : Buffer.concat([this.#held, view]);
    const owner = this.#held === null ? target : undefined;
    this.#held = null;
    const pieces: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length && this.#state === "open") {
      if (this.#responseBody !== null) {
        const state = this.#responseBody.advance(bytes, at, bytes.length);
        const end = state === "malformed" ? bytes.length : at + this.#responseBody.consumed;
        pieces.push(bytes.subarray(at, end));
        at = end;
        if (state !== "more") this.#state = state === "done" ? "done" : "raw";
        continue;
      }
      const head = this.#responseHead;
      const result = head.scan(bytes, at, bytes.length, { isHead: this.#isHead, isConnect: this.#isConnect });
      if (result === "incomplete") {
        this.#held = bytes.slice(at);
        break;
      }
      if (result !== "complete") {
        this.#state = "raw";
        break;
      }
      this.#hasHead = true;
      const mayEdit = !head.isInterim && edits.length > 0;
      pieces.push(mayEdit ? rewriteHead(bytes, head, edits) : bytes.subarray(at, at + head.length));
      at += head.length;
      if (!head.isInterim) this.#beginResponseBody(head);
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
    return this.#requestKeepsAlive && this.#responseHead.keepAlive;
  }

  /** Ends the copies of the request. */
  endMirrors(error: string | null): void {
    for (const mirror of this.#options.mirrors) {
      if (error === null) mirror.close();
      else mirror.failed(error);
    }
  }

  #beginResponseBody(head: ResponseHead): void {
    if (head.isSwitch) this.#state = "switched";
    else if (head.bodyKind === "none" || (head.bodyKind === "length" && head.bodyLength === 0)) this.#state = "done";
    else if (head.bodyKind === "length") this.#responseBody = new LengthBody(head.bodyLength);
    else this.#responseBody = head.bodyKind === "chunked" ? new ChunkedBody() : new UntilCloseBody();
  }

  #mirrorBody(body: BodyTracker, bytes: Uint8Array, start: number, end: number): ReturnType<BodyTracker["advance"]> {
    const frames: InternalHttpBodyFrame[] = [];
    const state = body.decode(bytes, start, end, {
      onData: (view) => frames.push({ kind: "data", value: Uint8Array.from(view) }),
      onTrailers: (trailers) => frames.push({ kind: "trailers", value: trailers }),
    });
    for (const mirror of this.#options.mirrors) {
      mirror.body(frames);
      if (state === "done") mirror.finish();
    }
    return state;
  }
}

/** A tracker for the request's body; null when it has none. */
export function requestBody(head: RequestHead): BodyTracker | null {
  if (head.bodyKind === "chunked") return new ChunkedBody();
  return head.bodyKind === "length" && head.bodyLength > 0 ? new LengthBody(head.bodyLength) : null;
}
