// One connection of a peer that speaks HTTP/1. Each request on it is judged on its own: passed on to the target, byte for byte over one connection of this peer's own, or
// given to the client that wants it. One request at a time; what the peer sends ahead waits. Whatever two parsers could read in two ways is never judged: from its first byte the
// connection is then joined to the target as it is.

import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { Arrival } from "../arrival.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import { type Judgement, NOBODY } from "../judge.ts";
import { pump } from "../pump.ts";
import type { TargetConnection } from "../target.ts";
import { EndedLink, RewrittenHead } from "../shareLinks/shareLinkHead.ts";
import { badGateway, endedLink, refusal } from "./errorResponse.ts";
import { Exchanges } from "./exchanges.ts";
import type { RequestHead } from "./head.ts";
import { HeadDeadline } from "./headDeadline.ts";
import { HeldBytes } from "./heldBytes.ts";
import { Judging } from "./judging.ts";
import type { PassedExchange } from "./passedExchange.ts";
import { ReadingGate } from "./readingGate.ts";
import { RequestReader } from "./requestReader.ts";
import type { StolenExchange } from "./stolenExchange.ts";
import { TargetSide } from "./targetSide.ts";

/** Time for a peer to leave after its last answer, in ms. */
const LINGER_MS = 2000;
/** What the connection is about. One that is raw or closed is never anything else again. */
type State =
  /** A request's head is waited for; the beginning of it may be there. */
  | { readonly kind: "idle" }
  /** It is not known yet who gets the request. All of it that came is held. */
  | Judging
  /** The target answers. */
  | PassedExchange
  /** A client answers. */
  | StolenExchange
  /** Two streams of bytes, whatever they mean. */
  | { readonly kind: "raw" }
  /** All that is left is the peer's socket, which ends by itself, or belongs to a client. */
  | { readonly kind: "closed" };

const IDLE: State = { kind: "idle" };
const RAW: State = { kind: "raw" };
const CLOSED: State = { kind: "closed" };

export class HttpConnection {
  readonly #peer: ByteSocket;
  readonly #traffic: IncomingTraffic;
  readonly #held: HeldBytes;
  readonly #reader: RequestReader;
  readonly #exchanges: Exchanges;
  #state: State = IDLE;
  /** While events of its own making are not acted on: whoever made them goes on by itself. */
  #isAdvancing = false;
  readonly #target: TargetSide;
  #hasPeerEnded = false;
  /** Once a client answered, the peer has got something that the target knows nothing of. */
  #hasStolen = false;
  #isFinishing = false;
  readonly #gate: ReadingGate;
  readonly #headDeadline: HeadDeadline;
  /** What is to be held in place of what was just taken. */
  #replaced: Uint8Array | null = null;

  /** Takes over the socket, and `target`, a connection to the target that was made before there was a request. */
  constructor(arrival: Arrival, peer: ByteSocket, traffic: IncomingTraffic, target: TargetConnection | null) {
    this.#peer = peer;
    this.#traffic = traffic;
    this.#target = new TargetSide(arrival, traffic.targetOptions, target, {
      bytes: (view) => this.#targetBytes(view),
      ended: () => this.#targetEnded(),
      drained: () => this.#letRead(),
      closed: (error, connection) => this.#targetClosed(error, connection),
    });
    this.#held = new HeldBytes(traffic.heldMemory);
    this.#headDeadline = new HeadDeadline(traffic.http.headTimeoutMs, () => this.#headIsLate());
    const goOn = (): void => this.#resume();
    this.#reader = new RequestReader({ traffic, arrival, held: this.#held, onJudged: goOn });
    this.#exchanges = new Exchanges({ arrival, peer, traffic, reader: this.#reader, target: this.#target, onEnd: goOn });
    this.#gate = new ReadingGate(this.#held, traffic.heldMemory, () => this.#letRead());
    peer.reader = {
      bytes: (view) => this.peerBytes(view),
      ended: () => this.peerEnded(),
      drained: () => this.#peerDrained(),
      closed: (error) => this.#peerClosed(error),
    };
  }

  /** Bytes from the peer. False pauses it. */
  peerBytes(view: Uint8Array): boolean {
    this.#traffic.work.begin("HTTP/1 of a peer");
    let taken = 0;
    if (this.#held.length === 0) {
      this.#isAdvancing = true;
      taken = this.#take(view, 0, view.length);
      this.#isAdvancing = false;
    }
    if (taken < view.length) this.#held.append(taken === 0 ? view : view.subarray(taken));
    this.#holdReplaced();
    this.#advance();
    return this.#mayRead();
  }

  peerEnded(): void {
    this.#hasPeerEnded = true;
    // The body will not be complete.
    if (this.#state.kind === "judging") this.#state.stopCollecting();
    this.#actOnPeerEnd();
  }

  /** Ends the connection as soon as no request is under way on it. One that is a raw stream goes on. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#state.kind === "idle" && this.#held.length === 0) this.#close();
  }

  /** As `finish`, for a connection whose first request is about to be read. */
  finishAfterOne(): void {
    this.#isFinishing = true;
  }

  /** Goes on as far as can be gone with what there is: ends exchanges that are over, begins those that were sent ahead. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#endExchange() || this.#takeHeld());
    this.#isAdvancing = false;
    this.#headDeadline.update(this.#state === IDLE && this.#held.length > 0);
    this.#actOnPeerEnd();
  }

  /** `#advance`, called for another reason than that the peer sent something. */
  #resume(): void {
    if (this.#isAdvancing) return;
    this.#advance();
    this.#letRead();
  }

  #letRead(): void {
    if (this.#mayRead()) this.#peer.resume();
  }

  /** Returns whether anything came of what was held. */
  #takeHeld(): boolean {
    const { bytes, start, end } = this.#held;
    if (start === end) return false;
    const before = this.#state;
    const taken = this.#take(bytes, start, end) - start;
    // The end of a connection lets go of everything at once.
    if (this.#held.length > 0) this.#held.consume(taken);
    this.#holdReplaced();
    return taken > 0 || this.#state !== before;
  }

  #holdReplaced(): void {
    const replaced = this.#replaced;
    this.#replaced = null;
    if (replaced !== null && this.#state !== CLOSED) this.#held.append(replaced);
  }

  /** Works through `bytes[start, end)` until something must be waited for. Returns where the rest begins. */
  #take(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const state = this.#state;
      switch (state.kind) {
        case "idle": {
          const next = this.#begin(bytes, at, end);
          if (next === at && this.#state === IDLE) return at;
          at = next;
          break;
        }
        case "judging":
          // What is judged later waits in memory of its own.
          if (bytes !== this.#held.bytes) return at;
          if (!state.look(bytes, at + this.#head.length, end)) {
            this.#refuse(400);
            break;
          }
          if (state.isCollecting && this.#head.expectContinue) this.#exchanges.tellToContinue();
          if (state.judgement === null) return at;
          this.#head.start = at;
          at = this.#follow(bytes, at, end, state.judgement);
          break;
        case "passing":
          if (state.isRequestDone) return at;
          at = state.body(bytes, at, end);
          if (state.isBroken) this.#goRaw();
          break;
        case "stealing": {
          if (state.isBodyDone || (state.end !== null && state.end !== "answered")) return at;
          const taken = state.takeBody(bytes, at, end);
          if (taken === null) this.#breakOff("malformed request body");
          else at += taken;
          break;
        }
        case "raw":
          this.#target.open().socket.write(bytes.subarray(at, end), this.#peer);
          return end;
        case "closed":
          return end;
      }
    }
    return at;
  }

  /** The head of the request under way, or of the next one as far as it came. */
  get #head(): RequestHead {
    return this.#reader.head;
  }

  /** Begins the next exchange. Returns how far it took `bytes[start, end)`; none of it when the head is not all there, or somebody else takes it. */
  #begin(bytes: Uint8Array, start: number, end: number): number {
    const read = this.#reader.read(bytes, start, end);
    switch (read) {
      case "incomplete":
        return start;
      case "ambiguous":
      case "refused":
        this.#refuse(read === "refused" ? 431 : 400);
        return start;
      case "tunnel":
        this.#exchanges.next();
        if (this.#hasStolen) return this.#follow(bytes, start, end, NOBODY);
        this.#goRaw();
        return start;
      default:
        this.#exchanges.next();
        if (read instanceof RewrittenHead) return this.#replaceHead(bytes, start, end, read);
        if (read instanceof EndedLink) return this.#tellEnded(start, read);
        if (!(read instanceof Judging)) return this.#follow(bytes, start, end, read);
        this.#state = read;
        return start;
    }
  }

  /** Takes all of `bytes[start, end)` and reads it again with another head, out of what is held. */
  #replaceHead(bytes: Uint8Array, start: number, end: number, { bytes: head }: RewrittenHead): number {
    this.#replaced = Buffer.concat([head, bytes.subarray(start + this.#head.length, end)]);
    return end;
  }

  /** Answers who follows a share link of a session that is over. A body is not read. */
  #tellEnded(start: number, { continueTo }: EndedLink): number {
    const head = this.#head;
    const keepAlive = head.keepAlive && head.bodyKind === "none" && !this.#isFinishing;
    const { minorVersion, isHead } = head;
    this.#peer.write(endedLink(continueTo, { minorVersion, isHead, keepAlive }, this.#traffic.date()));
    this.#hasStolen = true;
    if (!keepAlive) this.#close();
    return start + head.length;
  }

  /** Gives the request whose head begins at `start` to whom it belongs. Returns how far that took the bytes. */
  #follow(bytes: Uint8Array, start: number, end: number, judgement: Judgement): number {
    if (this.#state.kind === "judging") this.#state[Symbol.dispose]();
    this.#state = IDLE;
    const began = this.#exchanges.begin(bytes, start, end, judgement);
    if (began === null) {
      this.#refuse(400);
      return start;
    }
    this.#state = began.exchange;
    if (began.exchange.kind === "passing" && began.exchange.isBroken) this.#goRaw();
    return began.next;
  }

  /** Ends an exchange that is over. Returns whether it did. */
  #endExchange(): boolean {
    const state = this.#state;
    if (state.kind === "passing") return this.#endPassedExchange(state);
    return state.kind === "stealing" && this.#endStolenExchange(state);
  }

  #endPassedExchange(passed: PassedExchange): boolean {
    if (passed.state === "open" || (passed.state === "done" && !passed.isRequestDone)) return false;
    if (passed.state !== "done") {
      this.#goRaw();
      return true;
    }
    this.#stopPassing(passed, null);
    // The target may have ended the connection with an answer that came before the request's end.
    if (!passed.keepsAlive || this.#isFinishing || !this.#peer.isWritable) this.#close();
    return true;
  }

  #stopPassing(passed: PassedExchange, error: string | null): void {
    passed.copies.exchangeEnded(error);
    this.#exchanges.ended("passed");
    this.#state = IDLE;
  }

  #endStolenExchange(stolen: StolenExchange): boolean {
    const { end, isBodyDone, isSwitch } = stolen;
    if (end === null) return false;
    if (end === "cut") {
      this.#end();
      this.#peer.reset();
      return true;
    }
    // A body that nobody wants any more is read to its end only when another request may follow.
    if (end === "closes" || (end === "answered" && this.#isFinishing && !isSwitch)) {
      this.#close();
      return true;
    }
    if (end === "answered" && !isBodyDone) return false;
    this.#stopStealing(stolen);
    if (end === "answered" && !isSwitch) stolen.copies.exchangeEnded(null);
    if (isSwitch) this.#upgrade(stolen);
    else if (end === "unheard") this.#state = this.#exchanges.passAfterAll(stolen);
    return true;
  }

  #stopStealing(stolen: StolenExchange): void {
    this.#exchanges.ended("stolen");
    this.#hasStolen ||= stolen.hasAnswered;
    this.#state = IDLE;
    if (stolen.end !== "unheard") stolen.release();
  }

  /** Gives the connection to the client as a raw one. */
  #upgrade({ stealer, request, copies }: StolenExchange): void {
    if (request?.id == null) return;
    const ahead = this.#ahead;
    this.#exchanges.backlog.clear();
    copies.upgraded(this.#peer, ahead, this.#hasPeerEnded);
    this.#end();
    const connection = stealer.takeUpgraded(request.id, this.#peer);
    if (ahead.length > 0) connection.peerBytes(ahead);
    if (this.#hasPeerEnded) connection.peerEnded();
    this.#peer.resume();
  }

  /** Whether more of the peer may be read now. */
  #mayRead(): boolean {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
      case "closed":
        return true;
      case "raw":
        return this.#target.hasRoom;
      case "judging":
        return state.isCollecting || this.#gate.hasRoomAhead;
      case "passing":
        return state.isRequestDone ? this.#gate.hasRoomAhead : this.#target.hasRoom;
      case "stealing":
        return state.isBodyDone ? this.#gate.hasRoomAhead : state.end !== null || this.#gate.hasRoomAt(state.stealer.link);
    }
  }

  /** What the peer sent behind the request under way. Never changes. */
  get #ahead(): Uint8Array {
    const { bytes, start, end } = this.#held;
    return bytes.subarray(start, end);
  }

  #targetBytes(view: Uint8Array): boolean {
    const state = this.#state;
    if (state.kind === "stealing" || state.kind === "judging") {
      this.#target.drop();
      return true;
    }
    const target = this.#target.open().socket;
    if (state.kind !== "passing") {
      // Nobody asked for it: not an answer to anything, so it is passed on and nothing more is judged.
      this.#goRaw();
      const mayGoOn = this.#peer.write(view, target);
      this.#resume();
      return mayGoOn;
    }
    const { rest, mayGoOn } = state.response(view);
    if (rest !== null) {
      this.#goRaw();
      this.#peer.write(rest, target);
    }
    if (state.state === "open") return mayGoOn;
    // The peer must not send its next request on a connection that the target has ended with an early answer.
    if (!state.isRequestDone && target.isAtEnd) this.#targetEnded();
    this.#resume();
    return mayGoOn;
  }

  /** From here on the connection is two streams of bytes. What is held is for whoever goes on with it. */
  #goRaw(): void {
    const state = this.#state;
    if (state === RAW || state === CLOSED) return;
    const target = this.#target.open();
    const wasConnected = target.isConnected;
    if (state.kind === "judging") state[Symbol.dispose]();
    if (state.kind === "passing") {
      state.release();
      if (state.state === "switched") state.copies.upgraded(this.#peer, this.#ahead, this.#hasPeerEnded);
      this.#stopPassing(state, null);
    }
    this.#exchanges.backlog.clear();
    this.#state = RAW;
    pump(this.#peer, target.socket, {
      onTargetError: (error) => {
        if (!wasConnected && !target.isConnected) this.#traffic.reportPassthrough(target.address, error);
      },
    });
  }

  #targetEnded(): void {
    const state = this.#state;
    if (state.kind === "stealing" || state.kind === "judging") {
      this.#target.drop();
      return;
    }
    if (state.kind === "passing") {
      state.targetEnded();
      if (state.state === "open") {
        // There will be no answer to what the peer sends; the target gets it all the same.
        this.#stopPassing(state, state.isRequestDone ? null : "the target ended the connection inside the request");
        this.#goRaw();
      } else if (state.isRequestDone) this.#stopPassing(state, null);
    }
    // Whatever the target meant by it, the peer sees the same.
    this.#peer.end();
    if (this.#state === RAW) this.#resume();
    else if (this.#state === IDLE) this.#close();
  }

  #targetClosed(error: Error | null, target: TargetConnection): void {
    const state = this.#state;
    if (state.kind !== "passing" && (state.kind !== "idle" || error === null)) return;
    if (state.kind === "passing") this.#stopPassing(state, error?.message ?? "the target closed the connection");
    if (error !== null && !target.isConnected) {
      this.#traffic.reportPassthrough(target.address, error);
      const request = { minorVersion: this.#head.minorVersion, isHead: this.#head.isHead, keepAlive: false };
      this.#traffic.countBadGateway("target_failed");
      const text = `failed to pass the request to its original destination: ${target.address}: ${error.message}`;
      this.#peer.write(badGateway(this.#traffic.agentVersion, text, request, this.#traffic.date()));
      this.#close();
    } else if (error !== null && !(state.kind === "passing" && state.state === "done")) {
      this.#end();
      this.#peer.reset();
    } else {
      // A target that has answered may leave without reading on; the answer still arrives.
      this.#close();
    }
  }

  /** The peer ended its direction; when nothing of it is left to do, so does everything else. */
  #actOnPeerEnd(): void {
    if (!this.#hasPeerEnded) return;
    const state = this.#state;
    const hasMore = this.#held.length > 0;
    switch (state.kind) {
      case "idle":
        if (!hasMore) {
          if (this.#target.isOpen) this.#target.end();
          else this.#close();
        } else if (this.#hasStolen) this.#close();
        else {
          // Half a head: the target's to answer.
          this.#goRaw();
          this.#advance();
        }
        return;
      case "passing":
        if (!hasMore) this.#target.end();
        return;
      case "stealing":
        if (!state.isBodyDone) this.#breakOff("the peer ended the connection inside a request");
        return;
      case "raw":
        if (!hasMore) this.#target.end();
        return;
      case "judging":
      case "closed":
        return;
    }
  }

  /** What follows cannot be read: the target's to judge, unless it does not know all that came before. */
  #refuse(status: 400 | 408 | 431): void {
    if (!this.#hasStolen) {
      this.#goRaw();
      return;
    }
    this.#peer.write(refusal(status, this.#traffic.date()));
    this.#close();
  }

  /** The target has its own patience with half a head; where it must not see the head, nobody else would end the connection. */
  #headIsLate(): void {
    this.#headDeadline[Symbol.dispose]();
    this.#refuse(408);
    this.#resume();
  }

  /** The request cannot be finished. */
  #breakOff(why: string): void {
    if (this.#state.kind === "stealing") this.#state.peerFailed(why);
    this.#traffic.reportBroken(why);
    this.#end();
    this.#peer.reset();
  }

  #peerDrained(): void {
    this.#exchanges.backlog.clear();
    this.#target.resume();
  }

  #peerClosed(error: Error | null): void {
    const state = this.#state;
    this.#exchanges.backlog.clear();
    const why = error?.message ?? "the peer closed the connection";
    const isUnderWay = state.kind === "passing" || state.kind === "stealing";
    if (error !== null && isUnderWay) this.#traffic.reportBroken(why);
    if (state.kind === "stealing") state.peerFailed(why);
    if (state.kind === "passing") this.#stopPassing(state, why);
    this.#target.follow(error);
    this.#end();
  }

  /** Ends the connection in order: what was written still arrives, what the peer still sends is read and dropped for a while. */
  #close(): void {
    if (this.#state === CLOSED) return;
    this.#end();
    this.#peer.endAndLinger(LINGER_MS, this.#traffic.http.stuckTimeoutMs);
  }

  /** Lets go of everything but the peer's socket. */
  #end(): void {
    const state = this.#state;
    if (state.kind === "passing") this.#stopPassing(state, null);
    if (state.kind === "judging") state[Symbol.dispose]();
    if (state.kind === "stealing") {
      state.copies.exchangeEnded(null);
      this.#stopStealing(state);
      state.release();
    }
    this.#state = CLOSED;
    this.#held.clear();
    this.#gate[Symbol.dispose]();
    this.#headDeadline[Symbol.dispose]();
    this.#exchanges.backlog[Symbol.dispose]();
    this.#target.drop();
    this.#peer.reader = {
      bytes: () => true,
      drained: () => this.#exchanges.backlog.clear(),
      closed: () => this.#exchanges.backlog.clear(),
    };
  }
}
