// Finds the next request in what a peer sent, and who gets it. A request that can be read in two ways is not read at all.

import type { IncomingTraffic } from "../incomingTraffic.ts";
import type { Arrival } from "../arrival.ts";
import { clientNeed, judgeTimed, type Judgement, needsBody } from "../judge.ts";
import { BodyCollector } from "./bodyCollector.ts";
import { RequestHeadInput } from "./filter/filterInput.ts";
import { type HeadLimits, RequestHead } from "./head.ts";
import type { HeldBytes } from "./heldBytes.ts";
import { Judging } from "./judging.ts";
import type { HeaderEdit } from "./rewriteHead.ts";
import { type EndedLink, type RewrittenHead, shareLinkOf } from "../shareLinks/shareLinkHead.ts";
import { requestBody } from "./passedExchange.ts";

/** What a head may be while there is no memory to spare. */
const TIGHT_HEADS: HeadLimits = { headMaxBytes: 16 * 1024, maxFields: 256 };

export interface RequestReaderOptions {
  readonly traffic: IncomingTraffic;
  /** Where the request arrived. */
  readonly arrival: Arrival;
  /** Where the bytes of a request wait that is judged later, from its first byte on. */
  readonly held: HeldBytes;
  readonly onJudged: () => void;
}

/**
 * "tunnel": a CONNECT. What follows it may belong to the tunnel: nobody's but the target's. A `RewrittenHead` takes the place of the request's own, and is read next; an `EndedLink` is answered
 * by the agent.
 */
export type ReadRequest = "incomplete" | "ambiguous" | "refused" | "tunnel" | RewrittenHead | EndedLink | Judging | Judgement;

export class RequestReader {
  #head = new RequestHead();
  /** What a share link adds to the response. */
  responseEdit: HeaderEdit | null = null;
  #hasFollowedLink = false;
  readonly #options: RequestReaderOptions;

  constructor(options: RequestReaderOptions) {
    this.#options = options;
  }

  /** The head of the latest request, scanned where it lies. */
  get head(): RequestHead {
    return this.#head;
  }

  /** Reads the head that begins at `start`. After "incomplete", call again with the same head from its first byte, and more. */
  read(bytes: Uint8Array, start: number, end: number): ReadRequest {
    const { traffic } = this.#options;
    const { head } = this;
    const result = head.scan(bytes, start, end, traffic.heldMemory.hasRoom ? traffic.http.head : TIGHT_HEADS);
    if (result !== "complete") return result;
    if (head.isConnect) return "tunnel";
    const link = this.#followLink(bytes);
    if (link !== null) return link;
    const collecting = this.#collectBody();
    if (collecting !== null) return collecting;
    const judgement = this.#judge(new RequestHeadInput(bytes, head));
    if (!(judgement instanceof Promise)) return judgement;
    const judging = this.#judgeLater();
    judging.wait(judgement);
    return judging;
  }

  /** Looks for a share link, once in each request. Null: the request is read on. */
  #followLink(bytes: Uint8Array): RewrittenHead | EndedLink | null {
    const hasFollowed = this.#hasFollowedLink;
    this.#hasFollowedLink = false;
    if (hasFollowed) return null;
    const link = shareLinkOf(bytes, this.head, this.#options.traffic.shareKeys);
    this.responseEdit = link?.kind === "shared" ? link.edit : null;
    if (link?.kind !== "shared") return link;
    this.#hasFollowedLink = link.head !== null;
    return link.head;
  }

  /** Waits for the body, if the request has one that filters want to see and may see. */
  #collectBody(): Judging | null {
    const { traffic, arrival } = this.#options;
    const { bodyMaxBytes, bodyTimeoutMs } = traffic.http;
    const { bodyKind, bodyLength } = this.head;
    if (bodyKind === "none" || bodyLength > bodyMaxBytes || !needsBody(traffic, arrival.original.port, true) || !traffic.heldMemory.hasRoom)
      return null;
    const body = requestBody(this.head);
    if (body === null) return null;
    const judging = this.#judgeLater();
    judging.collect(new BodyCollector(body, bodyMaxBytes), bodyTimeoutMs);
    return judging;
  }

  #judgeLater(): Judging {
    const { held, traffic, onJudged } = this.#options;
    return new Judging({
      ask: (body) => {
        this.head.start = held.start;
        return this.#judge(new RequestHeadInput(held.bytes, this.head, body));
      },
      onJudged,
      onBug: (error) => traffic.reportBug(error),
    });
  }

  #judge(input: RequestHeadInput): Judgement | Promise<Judgement> {
    const { traffic, arrival } = this.#options;
    const judgement = judgeTimed(traffic, arrival.original.port, input, clientNeed(arrival, this.head.hasUpgrade), "an HTTP/1 request");
    if (judgement instanceof Promise || judgement.late.length > 0) input.detach();
    return judgement;
  }

  /** Filters that are late look at the head when the next request is read already: they keep it, and another one takes its place. */
  leaveHead(bytes: Uint8Array, start: number, end: number): void {
    this.#head = new RequestHead();
    this.#head.scan(bytes, start, end, this.#options.traffic.http.head);
  }
}
