// One request that goes on to the target, stream to stream, and its response on the way back. Fields, order and cuts stay as they are, but for the response headers that the agent was
// told to set. A reset on one side is the same reset on the other.

import type { RequestCopies } from "../http/requestCopies.ts";
import type { HeaderEdit } from "../http/rewriteHead.ts";
import { ErrorCode, StreamError } from "./errors.ts";
import type { Field } from "./fields.ts";
import { editedFields } from "./messageFields.ts";
import { copyBody, copyTrailers } from "./requestCopying.ts";
import type { RequestBody } from "./requestBody.ts";
import type { Stream, StreamBreak, StreamReader } from "./stream.ts";
import type { TargetFailure, TargetLink } from "./targetLink.ts";

/** Interim responses of one request that are passed on. */
const MAX_INTERIMS = 100;

export interface PassedStreamOptions {
  readonly peer: Stream;
  readonly target: TargetLink;
  /** All fields of the request's head. */
  readonly fields: readonly Field[];
  /** What was there of the body. */
  readonly body: RequestBody;
  readonly edits: readonly HeaderEdit[];
  readonly copies: RequestCopies;
  /** The target did not get the request, and the peer no answer. */
  readonly onFailed: (failure: TargetFailure) => void;
  /** The target broke off, and so the peer's stream was reset. */
  readonly onBroken: (why: string) => void;
}

export class PassedStream {
  readonly kind = "passing";
  readonly #options: PassedStreamOptions;
  #withdraw: (() => void) | null = null;
  #target: Stream | null = null;
  /** Bytes of the body that the peer need not be told of any more when they leave. */
  #creditedBytes: number;
  #hasHead = false;
  #hasResponseEnded = false;
  #interims = 0;

  constructor(options: PassedStreamOptions) {
    this.#options = options;
    this.#creditedBytes = options.body.creditedBytes;
  }

  begin(): void {
    const { target, fields, body, onFailed } = this.#options;
    this.#withdraw = target.request({
      fields,
      isEnd: () => body.isEmpty && body.isComplete,
      reader: this.#targetReader(),
      opened: (stream) => this.#opened(stream),
      failed: onFailed,
    });
  }

  /** More of the request's body. */
  data(view: Uint8Array, isEnd: boolean): void {
    const { body, copies } = this.#options;
    copyBody(copies, view, isEnd);
    if (this.#target === null) body.add(view, isEnd);
    else this.#target.send(view, isEnd);
  }

  trailers(fields: readonly Field[]): void {
    const { body, copies } = this.#options;
    copyTrailers(copies, fields);
    if (this.#target === null) body.end(fields);
    else this.#target.end(fields);
  }

  /** Response bytes have left for the peer. */
  sent(bytes: number): void {
    this.#target?.consume(bytes);
  }

  /** The peer's stream is over. */
  peerClosed(cause: StreamBreak | null): void {
    this.#withdraw?.();
    if (cause !== null) this.#target?.reset(cause.code);
  }

  #opened(stream: Stream): void {
    this.#target = stream;
    const { body } = this.#options;
    if (body.isEmpty && body.isComplete) return;
    for (const piece of body.takePieces()) stream.send(piece, false, true);
    if (body.isComplete) stream.end(body.trailers);
  }

  #targetReader(): StreamReader {
    const { peer } = this.#options;
    return {
      headers: (fields, isEnd) => this.#responseHeaders(fields, isEnd),
      data: (view, isEnd) => {
        if (!this.#hasHead) throw new StreamError(ErrorCode.protocolError, "a response without a head");
        if (isEnd) this.#hasResponseEnded = true;
        peer.send(view, isEnd);
      },
      sent: (bytes) => {
        const credited = Math.min(bytes, this.#creditedBytes);
        this.#creditedBytes -= credited;
        peer.consume(bytes - credited);
      },
      closed: (cause) => this.#targetClosed(cause),
    };
  }

  #responseHeaders(fields: readonly Field[], isEnd: boolean): void {
    const { peer, edits } = this.#options;
    if (isEnd) this.#hasResponseEnded = true;
    const isHead = fields[0]?.[0] === ":status";
    if (isHead === this.#hasHead) throw new StreamError(ErrorCode.protocolError, "a head in the wrong place");
    if (!isHead) {
      peer.end(fields);
      return;
    }
    if (fields[0]![1].startsWith("1")) {
      this.#interims += 1;
      if (this.#interims <= MAX_INTERIMS) peer.sendInterim(fields);
      return;
    }
    this.#hasHead = true;
    peer.sendHeaders(editedFields(fields, edits), isEnd);
  }

  #targetClosed(cause: StreamBreak | null): void {
    if (cause === null) return;
    const { peer, onBroken } = this.#options;
    // A complete response is still delivered.
    if (this.#hasResponseEnded) {
      peer.resetWhenSent(cause.code);
      return;
    }
    peer.reset(cause.code);
    onBroken(cause.why);
  }
}
