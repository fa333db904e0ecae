// One connection of a peer that speaks HTTP/2. Its requests run side by side, and each is judged on its own: passed on to the target over one connection that belongs to this
// peer, or given to the client that wants it. What the target says about its connection (that it ends, that it broke) is passed on, too.

import type { ByteSocket } from "../../socket/byteSocket.ts";
import { IdTable } from "../../task/idTable.ts";
import type { Arrival } from "../arrival.ts";
import type { IncomingTraffic, RequestConnection } from "../incomingTraffic.ts";
import { shareLinkIn } from "../shareLinks/shareLinkFields.ts";
import { Endpoint } from "./endpoint.ts";
import { ErrorCode } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { type Field, fieldBytes } from "./fields.ts";
import { MAX_STREAM_ID } from "./frameTypes.ts";
import { endedLinkAnswer } from "./messageFields.ts";
import type { RequestHead } from "./messageHead.ts";
import { answerAtOnce } from "./ownAnswer.ts";
import { SettingId } from "./settings.ts";
import type { Stream } from "./stream.ts";
import { TargetLink } from "./targetLink.ts";

/** Requests of one peer at once. */
const MAX_STREAMS = 200;
/** What a head may be while there is no memory to spare, by the measure of RFC 9113 §6.5.2. */
const TIGHT_HEAD_BYTES = 16 * 1024;
/** Time for a peer to leave when nothing is to be done any more, in ms. */
const LINGER_MS = 2000;
/** Time in which a peer may take nothing of what it is still sent then, in ms. */
const STUCK_MS = 60_000;
/** Time for a peer to hear that the connection ends, before requests that it sends are not taken any more, in ms. */
const FINISH_MS = 1000;

export class Http2Connection implements RequestConnection {
  readonly #arrival: Arrival;
  readonly #peer: ByteSocket;
  readonly #traffic: IncomingTraffic;
  readonly #endpoint: Endpoint;
  readonly #exchanges = new IdTable<Exchange>();
  #target: TargetLink | null = null;
  #mustFinishAfterOne = false;
  /** No request is taken any more; the connection ends with the last one under way. */
  #isFinishing = false;
  #finishTimer: NodeJS.Timeout | undefined;
  #hasOfferedConnect = false;
  #isOver = false;

  /** Takes over the socket. */
  constructor(arrival: Arrival, peer: ByteSocket, traffic: IncomingTraffic) {
    this.#arrival = arrival;
    this.#peer = peer;
    this.#traffic = traffic;
    const { headerListMaxBytes } = traffic;
    this.#endpoint = new Endpoint(
      {
        role: "server",
        socket: peer,
        buffers: traffic.targetOptions.buffers,
        settings: [
          [SettingId.maxConcurrentStreams, MAX_STREAMS],
          [SettingId.maxHeaderListSize, headerListMaxBytes],
        ],
        maxHeaderListBytes: headerListMaxBytes,
        maxStreams: MAX_STREAMS,
        memory: traffic.heldMemory,
      },
      {
        request: (stream, head, fields, isEnd) => this.#request(stream, head, fields, isEnd),
        settings: () => undefined,
        goingAway: () => this.#endIfIdle(),
        pong: () => this.#finishNow(),
        streamOver: () => this.#endIfIdle(),
        failed: (error) => {
          traffic.reportBroken(error.message);
          this.#close();
        },
      },
    );
    peer.reader = {
      bytes: (view) => this.peerBytes(view),
      ended: () => this.peerEnded(),
      drained: () => this.#drained(),
      closed: (error) => this.#peerClosed(error),
    };
  }

  /** Bytes from the peer. False pauses it, which never happens: every stream has a window of its own. */
  peerBytes(view: Uint8Array): boolean {
    this.#traffic.work.begin("HTTP/2 of a peer");
    this.#endpoint.feed(view);
    this.#target?.flushLarge();
    return true;
  }

  /** The peer ended its direction. HTTP/2 knows no such thing: it has gone, and wants no answers any more. */
  peerEnded(): void {
    this.#peerLeft("the peer ended the connection", false);
    this.#close();
  }

  /** Ends the connection as soon as no request is under way on it, without losing one that is on its way. */
  finish(): void {
    if (this.#isFinishing || this.#finishTimer !== undefined || this.#isOver) return;
    this.#endpoint.goAway(ErrorCode.noError, MAX_STREAM_ID);
    // The answer says that the peer knows: what it sent before that has arrived then.
    this.#endpoint.ping();
    this.#finishTimer = setTimeout(() => this.#finishNow(), FINISH_MS);
  }

  /** As `finish`, for a connection whose first request is about to be read. */
  finishAfterOne(): void {
    this.#mustFinishAfterOne = true;
  }

  #request(stream: Stream, head: RequestHead | null, fields: readonly Field[], isEnd: boolean): void {
    const bytes = fields.reduce((sum, field) => sum + fieldBytes(field), 0);
    if (head === null || (bytes > TIGHT_HEAD_BYTES && !this.#traffic.heldMemory.hasRoom)) {
      stream.sendHeaders(
        [
          [":status", "431"],
          ["content-length", "0"],
          ["date", this.#traffic.date()],
        ],
        true,
      );
      stream.resetWhenSent(ErrorCode.noError);
      return;
    }
    if (head.protocol !== null && !this.#hasOfferedConnect) {
      stream.reset(ErrorCode.protocolError);
      return;
    }
    const link = shareLinkIn(head, fields, this.#traffic.shareKeys);
    if (link?.kind === "ended") {
      answerAtOnce(stream, endedLinkAnswer(link.continueTo, this.#traffic.date()), head.method === "HEAD");
      return;
    }
    const exchange = new Exchange({
      arrival: this.#arrival,
      socket: this.#peer,
      traffic: this.#traffic,
      stream,
      head: link?.head ?? head,
      headBytes: bytes,
      fields: link?.fields ?? fields,
      responseEdit: link?.edit ?? null,
      isEnd,
      target: () => this.#openTarget(head.authority),
      onOver: () => {
        this.#exchanges.delete(stream.id);
        this.#endIfIdle();
      },
    });
    this.#exchanges.set(stream.id, exchange);
    exchange.begin();
    if (this.#mustFinishAfterOne) this.finish();
  }

  #drained(): void {
    this.#endpoint.drained();
    if (!this.#endpoint.output.isBacklogged) this.#target?.resume();
  }

  #openTarget(authority: string | null): TargetLink {
    this.#target ??= new TargetLink({
      arrival: withServerName(this.#arrival, authority),
      target: this.#traffic.targetOptions,
      memory: this.#traffic.heldMemory,
      maxHeaderListBytes: this.#endpoint.remote.maxHeaderListBytes,
      onRead: () => {
        const { output } = this.#endpoint;
        output.flushLarge();
        return !output.isBacklogged;
      },
      onSettings: () => this.#targetSettings(),
      onGoingAway: (lastStreamId, code, debugData) => this.#targetGoingAway(lastStreamId, code, debugData),
      onClosed: (error, wasUsed) => this.#targetClosed(error, wasUsed),
    });
    return this.#target;
  }

  /** What the target offers, the peer may use from now on. */
  #targetSettings(): void {
    if (this.#target?.hasConnectProtocol !== true || this.#hasOfferedConnect) return;
    this.#hasOfferedConnect = true;
    this.#endpoint.output.settings([[SettingId.enableConnectProtocol, 1]]);
  }

  #targetGoingAway(lastStreamId: number, code: number, debugData: Uint8Array): void {
    // Numbers of streams differ on the two connections. What the target did not take is reset as refused, so that the peer can ask again.
    const isAnnouncement = lastStreamId === MAX_STREAM_ID && code === ErrorCode.noError;
    this.#endpoint.goAway(code, isAnnouncement ? MAX_STREAM_ID : this.#endpoint.lastStreamId, debugData);
    this.#isFinishing ||= !isAnnouncement;
    this.#endIfIdle();
  }

  #targetClosed(error: Error | null, wasUsed: boolean): void {
    const target = this.#target;
    this.#target = null;
    if (this.#isOver) return;
    if (!wasUsed) {
      // Requests that waited for it have been answered; the next one tries again.
      if (error !== null && target !== null && !target.isConnected) this.#traffic.reportPassthrough(target.address, error);
      return;
    }
    const hasStolen = this.#exchanges.values().some((exchange) => exchange.isStolen);
    if (error !== null && !hasStolen && !this.#isFinishing) {
      this.#abort();
      return;
    }
    this.#finishNow();
  }

  /** Takes no more requests from here on. */
  #finishNow(): void {
    clearTimeout(this.#finishTimer);
    this.#finishTimer = undefined;
    if (this.#isOver) return;
    if (!this.#isFinishing) this.#endpoint.goAway(ErrorCode.noError);
    this.#isFinishing = true;
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#isFinishing && this.#endpoint.streamCount === 0) this.#close();
  }

  #peerClosed(error: Error | null): void {
    this.#peerLeft(error?.message ?? "the peer closed the connection", error !== null);
  }

  #peerLeft(why: string, isReset: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#finishTimer);
    this.#endpoint.abandon(ErrorCode.cancel, why);
    this.#closeTarget(isReset);
  }

  /** Ends the connection in order. */
  #close(): void {
    if (!this.#isOver) this.#peerLeft("the connection ended", false);
    this.#endpoint.output.flush();
    this.#peer.reader = { bytes: () => true };
    this.#peer.endAndLinger(LINGER_MS, STUCK_MS);
  }

  /** Ends the connection as the target ended its own. */
  #abort(): void {
    this.#peerLeft("the target reset the connection", true);
    this.#peer.reader = { bytes: () => true };
    this.#peer.reset();
  }

  #closeTarget(isReset: boolean): void {
    const target = this.#target;
    this.#target = null;
    target?.close(isReset);
  }
}

/** A peer that asked for no server in its TLS handshake means the one of its request. */
function withServerName(arrival: Arrival, authority: string | null): Arrival {
  const { tls } = arrival;
  const host = authority?.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1") ?? "";
  return tls === null || tls.serverName !== null || host === "" ? arrival : { ...arrival, tls: { ...tls, serverName: host } };
}
