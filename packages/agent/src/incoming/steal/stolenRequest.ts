// One HTTP request that a client answers. Sends it in the form the client knows, takes the client's answer in whatever form it comes, and makes sure that
// exactly one thing ends it: the answer was delivered, the peer or its body failed, or the client gave up.

import type { DaemonTcp, HttpHeaders, InternalHttpBodyFrame, LayerTcpSteal } from "@understudy/protocol";
import type { ReusedBuffer, SessionLink } from "../../link/sessionLink.ts";
import type { BadGatewayCause } from "../../metrics/metrics.ts";
import { InvalidResponse } from "../http/responseHead.ts";
import { bodyMessage, isWhole, type RequestForm, requestForm, type RequestStart, startMessages } from "./requestForms.ts";

export type { RequestStart } from "./requestForms.ts";

/** The side of the one who made the request. */
export interface RequestPeer {
  /**
   * Writes a part of the response; the head comes with the first part only.
   * @throws InvalidResponse when it cannot be sent as HTTP.
   */
  respond(
    head: { readonly status: number; readonly headers: HttpHeaders } | null,
    frames: readonly InternalHttpBodyFrame[],
    isLast: boolean,
  ): void;
  /** There will be no answer, or no more of it. `isUnheard`: nothing of the request has left for the client, so somebody else may answer it. */
  drop(cause: BadGatewayCause, isUnheard: boolean): void;
}

type Answer = Extract<LayerTcpSteal, { kind: "httpResponse" | "httpResponseFramed" | "httpResponseChunked" }>;

/** A request is kept for the target up to this size. */
const KEPT_MAX_BYTES = 64 * 1024;
/** The same where the client hears of the request only when its body is complete. */
const KEPT_WHOLE_MAX_BYTES = 1024 * 1024;

export interface StolenRequestOptions {
  readonly link: SessionLink;
  /** Gives out connection ids. */
  readonly takeId: () => number;
  readonly start: RequestStart;
  readonly peer: RequestPeer;
  /** Called with the id once it is known. */
  readonly onId: (id: number, request: StolenRequest) => void;
  /** Called once, when nothing more comes of it. */
  readonly onOver: (request: StolenRequest) => void;
}

export class StolenRequest {
  readonly #options: StolenRequestOptions;
  readonly #form: RequestForm;
  /** Null until the client was told of it. */
  #id: number | null = null;
  /** The body so far, for forms that need all of it. */
  readonly #collected: InternalHttpBodyFrame[] = [];
  /** Where in the session's data it begins. */
  #position = 0;
  #state: "waiting" | "answering" | "over" = "waiting";

  constructor(options: StolenRequestOptions) {
    this.#options = options;
    this.#form = requestForm(options.link);
    const { start } = options;
    if (isWhole(this.#form) && !start.isLast) this.#collected.push(...start.frames);
    else this.#begin(start);
  }

  get id(): number | null {
    return this.#id;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  get link(): SessionLink {
    return this.#options.link;
  }

  /** Whether nothing of it has left for the client. */
  get isUnheard(): boolean {
    return this.#id === null || !this.link.hasBegunToSend(this.#position);
  }

  /** Whether the client hears of it when its body is complete, and not before. */
  get isWaitingForBody(): boolean {
    return this.#id === null && !this.isOver;
  }

  /** Whether a request of so many bytes is worth keeping: the target can still get it when the client leaves. */
  isWorthKeeping(bytes: number): boolean {
    return this.isUnheard && bytes <= (this.isWaitingForBody ? KEPT_WHOLE_MAX_BYTES : KEPT_MAX_BYTES);
  }

  /** More of the request's body. `owner` owns the memory of the frames; without one it must never change. Nothing is owned before there is an id. */
  body(frames: readonly InternalHttpBodyFrame[], isLast: boolean, owner?: ReusedBuffer): void {
    if (this.#state === "over") return;
    if (this.#id !== null) {
      // The end is always a message of its own.
      if (frames.length > 0) this.#send(bodyMessage(this.#id, frames, false), owner);
      if (isLast) this.#send(bodyMessage(this.#id, [], true));
      return;
    }
    this.#collected.push(...frames);
    if (isLast && this.#state === "waiting") this.#begin({ ...this.#options.start, frames: this.#collected, isLast: true });
  }

  /** The client's answer, or a part of it. What does not fit the state is ignored. */
  answer(message: Answer): void {
    try {
      this.#answer(message);
    } catch (error) {
      if (!(error instanceof InvalidResponse)) throw error;
      this.link.tell("error", `Response to stolen request ${this.#id} is not valid HTTP: ${error.message}`);
      this.#options.peer.drop("answer_invalid", false);
      this.#over(true);
    }
  }

  /** The answer has been handed to the peer completely. With an upgrade the id lives on. */
  delivered(isUpgraded: boolean): void {
    this.#over(!isUpgraded);
  }

  /** The peer has gone, or its body broke off. */
  peerFailed(error: string): void {
    if (this.#state === "over") return;
    const name = this.#id === null ? "Stolen request failed" : `Stolen connection ${this.#id} failed: incoming connection failed`;
    this.link.tell("warn", `${name}: ${error}`);
    this.#over(true);
  }

  /** The client gave it up, or has gone. */
  abandon(): void {
    if (this.#state === "over") return;
    const { isUnheard } = this;
    this.#over(false);
    this.#options.peer.drop(this.link.signal.aborted ? "client_gone" : "client_gave_up", isUnheard);
  }

  /** It is not for this client after all. Only before there is an id. */
  passOver(why: string): void {
    this.link.tell("error", `An HTTP request was not stolen: ${why}`);
    this.abandon();
  }

  #answer(message: Answer): void {
    if (message.kind !== "httpResponseChunked") {
      const { status, headers } = message.value.internalResponse;
      const frames = message.kind === "httpResponse" ? framesOf(message.value.internalResponse.body) : message.value.internalResponse.body;
      this.#respond({ status, headers }, frames, true);
      return;
    }
    switch (message.value.kind) {
      case "start": {
        const { status, headers, body } = message.value.value.internalResponse;
        this.#respond({ status, headers }, body, false);
        return;
      }
      case "body": {
        const { frames, isLast } = message.value.value;
        if (this.#state === "answering") this.#options.peer.respond(null, frames, isLast);
        return;
      }
      case "error":
        this.abandon();
        return;
    }
  }

  #respond(head: { status: number; headers: HttpHeaders }, frames: readonly InternalHttpBodyFrame[], isLast: boolean): void {
    if (this.#state !== "waiting") return;
    this.#state = "answering";
    this.#options.peer.respond(head, frames, isLast);
  }

  #begin(start: RequestStart): void {
    this.#id = this.#options.takeId();
    this.#position = this.link.streamPosition;
    this.#options.onId(this.#id, this);
    for (const message of startMessages(this.#form, this.#id, start)) this.#send(message);
  }

  #over(mustTell: boolean): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#options.onOver(this);
    // With the next request, mostly: a write of its own would cost the peer as much time as the request does.
    if (mustTell && this.#id !== null)
      this.link.streamLater({ kind: "tcpSteal", value: { kind: "close", value: { connectionId: this.#id } } });
  }

  #send(message: DaemonTcp, owner?: ReusedBuffer): void {
    this.link.stream({ kind: "tcpSteal", value: message }, owner);
  }
}

function framesOf(body: Uint8Array): InternalHttpBodyFrame[] {
  return body.length === 0 ? [] : [{ kind: "data", value: body }];
}
