// One connection of a peer that speaks HTTP/1. Each request on it is judged on its own: passed on to the target, byte for byte over one connection of this peer's own, or
// given to the client that wants it. One request at a time; what the peer sends ahead waits. Whatever two parsers could read in two ways is never judged: from its first byte the
// connection is then joined to the target as it is.

import { isHttpUri } from "@understudy/protocol";
import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { Arrival } from "../arrival.ts";
import type { IncomingTraffic } from "../incomingTraffic.ts";
import type { MirroredRequest } from "../mirror/mirrorClient.ts";
import { pump } from "../pump.ts";
import type { RequestStart } from "../steal/requestForms.ts";
import type { Mirrorer, Stealer } from "../subscriptions.ts";
import { connectTarget, type TargetConnection } from "../target.ts";
import { badGateway, refusal } from "./errorResponse.ts";
import { RequestHeadInput } from "./filter/filterInput.ts";
import { RequestHead } from "./head.ts";
import { PassedExchange, requestBody } from "./passedExchange.ts";
import { requestParts } from "./requestMessage.ts";
import type { ResponseContext } from "./responseHead.ts";
import { StolenExchange } from "./stolenExchange.ts";

/** Time for a peer to leave after its last answer, in ms. */
const LINGER_MS = 2000;
/** Time in which a peer may take nothing of its last answer, in ms. */
const STUCK_MS = 60_000;

export class HttpConnection {
  readonly #arrival: Arrival;
  readonly #peer: ByteSocket;
  readonly #traffic: IncomingTraffic;
  readonly #head = new RequestHead();
  #target: TargetConnection | null = null;
  #passed: PassedExchange | null = null;
  #stolen: StolenExchange | null = null;
  /** Received bytes that wait: the beginning of a head, or what the peer sent ahead. In memory of their own. */
  #held: Uint8Array | null = null;
  #hasPeerEnded = false;
  /** Once a request was stolen, the peer has got an answer that the target knows nothing of. */
  #hasStolen = false;
  #isRaw = false;
  #isOver = false;
  #isFinishing = false;
  /** Who answers the request that is stolen now. */
  #stealer: Stealer | null = null;
  /** One for each answer of which something may wait for the peer: says how much. */
  readonly #setPending: ((bytes: number) => void)[] = [];

  /** Takes over the socket. */
  constructor(arrival: Arrival, peer: ByteSocket, traffic: IncomingTraffic) {
    this.#arrival = arrival;
    this.#peer = peer;
    this.#traffic = traffic;
    peer.reader = {
      bytes: (view) => this.peerBytes(view),
      ended: () => this.peerEnded(),
      drained: () => this.#peerDrained(),
      closed: (error) => this.#peerClosed(error),
    };
  }

  /** Bytes from the peer. False pauses it. */
  peerBytes(view: Uint8Array): boolean {
    const held = this.#held;
    this.#held = null;
    return held === null ? this.#take(view) : this.#take(Buffer.concat([held, view]));
  }

  peerEnded(): void {
    this.#hasPeerEnded = true;
    this.#actOnPeerEnd();
  }

  /** Ends the connection as soon as no request is under way on it. One that is a raw stream goes on. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#passed === null && this.#stolen === null && this.#held === null && !this.#isRaw) this.#close();
  }

  /** As `finish`, for a connection whose first request is about to be read. */
  finishAfterOne(): void {
    this.#isFinishing = true;
  }

  /** Works through what was received, until something must be waited for. */
  #take(bytes: Uint8Array): boolean {
    let at = 0;
    let mayGoOn = true;
    while (at < bytes.length && !this.#isOver) {
      if (this.#isRaw) {
        return this.#target!.socket.write(bytes.subarray(at), this.#peer) && mayGoOn;
      }
      if (this.#passed !== null && !this.#passed.isRequestDone) {
        const step = this.#passed.request(bytes, at, bytes.length, 0);
        at += step.consumed;
        mayGoOn &&= step.mayGoOn;
        if (step.isBroken) this.#goRaw();
        else if (this.#passed.state === "done") this.#afterPassed(null);
      } else if (this.#stolen !== null && !this.#stolen.isBodyDone) {
        const consumed = this.#stolen.takeBody(bytes, at, bytes.length);
        if (consumed === null) {
          this.#breakOff("malformed request body");
          return true;
        }
        at += consumed;
        mayGoOn &&= this.#hasStealerRoom(this.#stolen);
        if (this.#stolen.isSwitch && at < bytes.length) {
          this.#held = bytes.slice(at);
          at = bytes.length;
        }
        this.#afterStolen();
      } else if (this.#passed !== null || this.#stolen !== null) {
        // Sent ahead: it waits until this exchange is over.
        this.#held = bytes.slice(at);
        return false;
      } else {
        const began = this.#beginExchange(bytes, at);
        if (began === null) return mayGoOn;
        at += began.consumed;
        mayGoOn &&= began.mayGoOn;
      }
    }
    return mayGoOn;
  }

  /** Begins the next exchange at `start`. Null when its head is not all there, or the connection has ended. */
  #beginExchange(bytes: Uint8Array, start: number): { consumed: number; mayGoOn: boolean } | null {
    const head = this.#head;
    const result = head.scan(bytes, start, bytes.length);
    if (result === "incomplete") {
      this.#held = bytes.slice(start);
      return null;
    }
    if (result !== "complete" || head.isConnect) {
      if (this.#hasStolen) {
        this.#peer.write(refusal(result === "refused" ? 431 : 400, this.#traffic.date()));
        this.#close();
        return null;
      }
      this.#goRaw();
      return { consumed: 0, mayGoOn: true };
    }
    const verdict = this.#traffic.judge(this.#arrival.original.port, new RequestHeadInput(bytes, head), head.hasUpgrade);
    if (verdict.mirrorers.length === 0 && verdict.stealer === null) return this.#pass(bytes, start, []);
    const request = this.#requestStart(bytes);
    if (!isHttpUri(request.uri)) return this.#pass(bytes, start, []);
    if (verdict.stealer !== null) return this.#steal(bytes, start, request, verdict.stealer, verdict.mirrorers);
    const mirrors = verdict.mirrorers.map((one) => one.mirrorRequest(request)).filter((one) => one !== null);
    return this.#pass(bytes, start, mirrors);
  }

  #requestStart(bytes: Uint8Array): RequestStart {
    const { peer, original } = this.#arrival;
    const isLast = requestBody(this.#head) === null;
    return { ...requestParts(bytes, this.#head), peer, original, frames: [], isLast };
  }

  #pass(bytes: Uint8Array, start: number, mirrors: readonly MirroredRequest[]): { consumed: number; mayGoOn: boolean } {
    const { port } = this.#arrival.original;
    this.#traffic.countPassed(port, 1);
    const target = this.#openTarget();
    const edits = this.#traffic.passedEdits;
    const passed = new PassedExchange(this.#head, { peer: this.#peer, target: target.socket, edits, mirrors });
    this.#passed = passed;
    const { consumed, mayGoOn, isBroken } = passed.request(bytes, start, bytes.length, this.#head.length);
    if (isBroken) this.#goRaw();
    return { consumed, mayGoOn };
  }

  #steal(
    bytes: Uint8Array,
    start: number,
    request: RequestStart,
    stealer: Stealer,
    mirrorers: readonly Mirrorer[],
  ): { consumed: number; mayGoOn: boolean } {
    const head = this.#head;
    const traffic = this.#traffic;
    const body = requestBody(head);
    // What is there of the body travels with the head.
    const frames: RequestStart["frames"][number][] = [];
    const state = body?.decode(bytes, start + head.length, bytes.length, {
      onData: (view) => frames.push({ kind: "data", value: Uint8Array.from(view) }),
      onTrailers: (trailers) => frames.push({ kind: "trailers", value: trailers }),
    });
    if (state === "malformed") {
      this.#peer.write(refusal(400, traffic.date()));
      this.#close();
      return { consumed: bytes.length - start, mayGoOn: true };
    }
    const isLast = body === null || state === "done";
    const full = { ...request, frames, isLast };
    const mirrors = mirrorers.map((one) => one.mirrorRequest(full)).filter((one) => one !== null);
    this.#hasStolen = true;
    traffic.countStolen(1);
    if (this.#peer.backlog === 0) this.#clearPending();
    const setPending = stealer.trackPending();
    this.#setPending.push(setPending);
    this.#stealer = stealer;
    const stolen = new StolenExchange({
      peer: this.#peer,
      context: this.#responseContext(bytes),
      agentVersion: traffic.agentVersion,
      body: isLast ? null : body,
      expectContinue: head.expectContinue,
      mirrors,
      onChange: () => this.#stolenChanged(),
      setPending,
    });
    this.#stolen = stolen;
    stolen.attach(stealer.takeRequest(full, stolen));
    // The client may have refused at once.
    this.#afterStolen();
    return { consumed: head.length + (body?.consumed ?? 0), mayGoOn: stealer.link.hasRoom || this.#hasStealerRoom(stolen) };
  }

  #responseContext(bytes: Uint8Array): ResponseContext {
    const { minorVersion, isHead, isConnect, keepAlive, fields, start } = this.#head;
    const te = fields.find(bytes, start, "te");
    const acceptsTrailers =
      te >= 0 &&
      /\btrailers\b/i.test(Buffer.from(bytes.subarray(start + fields.valueStart(te), start + fields.valueEnd(te))).toString("latin1"));
    return { minorVersion, isHead, isConnect, keepAlive, acceptsTrailers, date: this.#traffic.date(), edits: this.#traffic.stolenEdits };
  }

  /** Pauses the peer while the client has no room for its body. */
  #hasStealerRoom(stolen: StolenExchange): boolean {
    const link = stolen.request?.link;
    if (link === undefined || link.hasRoom || stolen.isBodyDone || stolen.isAnswered) return true;
    link.whenRoom(() => {
      if (this.#held === null) this.#peer.resume();
    });
    return false;
  }

  /** Called from outside of `#take`: the response is complete, or there will be none. */
  #stolenChanged(): void {
    if (this.#stolen?.request === null) return;
    this.#afterStolen();
    this.#resumePeer();
  }

  #afterStolen(): void {
    const stolen = this.#stolen;
    if (stolen === null || !stolen.isAnswered) return;
    const id = stolen.request?.id ?? null;
    if (stolen.isCut) {
      this.#end();
      this.#peer.reset();
      return;
    }
    // A body that nobody wants any more is read to its end only when another request may follow.
    if (stolen.mustClose || (this.#isFinishing && !stolen.isSwitch)) {
      this.#close();
      return;
    }
    if (!stolen.isBodyDone) return;
    this.#stolen = null;
    this.#traffic.countStolen(-1);
    if (stolen.isSwitch && id !== null) this.#upgrade(this.#stealer!, id);
    else this.#actOnPeerEnd();
  }

  /** Gives the connection to the client as a raw one. */
  #upgrade(stealer: Stealer, id: number): void {
    const held = this.#held;
    this.#end();
    this.#clearPending();
    const connection = stealer.takeUpgraded(id, this.#peer);
    if (held !== null) connection.peerBytes(held);
    if (this.#hasPeerEnded) connection.peerEnded();
    this.#peer.resume();
  }

  #openTarget(): TargetConnection {
    this.#target ??= connectTarget(this.#arrival, this.#traffic.targetOptions, {
      bytes: (view) => this.#targetBytes(view),
      ended: () => this.#targetEnded(),
      drained: () => {
        if (this.#held === null) this.#peer.resume();
      },
      closed: (error) => this.#targetClosed(error),
    });
    return this.#target;
  }

  #targetBytes(view: Uint8Array): boolean {
    if (this.#stolen !== null) {
      this.#dropTarget();
      return true;
    }
    if (this.#passed === null) {
      // Nobody asked for it: not an answer to anything, so it is passed on and nothing more is judged.
      this.#goRaw();
      return this.#peer.write(view, this.#target!.socket);
    }
    const { rest, mayGoOn } = this.#passed.response(view);
    if (this.#passed.state !== "open") this.#afterPassed(rest);
    return mayGoOn;
  }

  /** The response is complete, or can no longer be followed. */
  #afterPassed(rest: Uint8Array | null): void {
    const passed = this.#passed!;
    if (passed.state === "raw" || passed.state === "switched" || rest !== null) {
      this.#goRaw();
      if (rest !== null) this.#peer.write(rest, this.#target!.socket);
      this.#resumePeer();
      return;
    }
    if (!passed.isRequestDone) return;
    this.#endPassed(null);
    // The target may have ended the connection with an answer that came before the request's end.
    if (!passed.keepsAlive || this.#isFinishing || !this.#peer.isWritable) {
      this.#close();
      return;
    }
    this.#actOnPeerEnd();
    this.#resumePeer();
  }

  #endPassed(error: string | null): void {
    if (this.#passed === null) return;
    this.#passed.endMirrors(error);
    this.#passed = null;
    this.#traffic.countPassed(this.#arrival.original.port, -1);
  }

  /** From here on the connection is two streams of bytes, whatever they mean. */
  #goRaw(): void {
    if (this.#isRaw || this.#isOver) return;
    const { socket } = this.#openTarget();
    const isConnected = this.#target!.isConnected;
    this.#passed?.release();
    this.#endPassed(null);
    this.#clearPending();
    this.#isRaw = true;
    pump(this.#peer, socket, {
      onTargetError: (error) => {
        if (!isConnected && !this.#target!.isConnected) this.#traffic.reportPassthrough(this.#target!.address, error);
        return false;
      },
    });
    const held = this.#held;
    this.#held = null;
    if (held !== null) socket.write(held);
    if (this.#hasPeerEnded) socket.end();
  }

  #targetEnded(): void {
    this.#passed?.targetEnded();
    if (this.#passed?.state === "done" && this.#passed.isRequestDone) this.#endPassed(null);
    if (this.#stolen !== null) {
      this.#dropTarget();
      return;
    }
    // There will be no answer to what the peer sends; the target gets it all the same.
    if (this.#passed?.state === "open") {
      this.#endPassed(this.#passed.isRequestDone ? null : "the target ended the connection inside the request");
      this.#goRaw();
    }
    // Whatever the target meant by it, the peer sees the same.
    this.#peer.end();
    if (this.#isRaw) this.#peer.resume();
    else if (this.#passed === null) this.#close();
  }

  /** Lets go of an idle target: whatever it says or does now must not reach a peer that waits for a client's answer. */
  #dropTarget(): void {
    const socket = this.#target?.socket;
    this.#target = null;
    if (socket === undefined) return;
    socket.reader = { bytes: () => true };
    socket.close();
  }

  #targetClosed(error: Error | null): void {
    const target = this.#target;
    this.#target = null;
    const passed = this.#passed;
    if (this.#isOver || target === null || this.#stolen !== null) return;
    if (passed === null && error === null) return;
    this.#endPassed(error?.message ?? "the target closed the connection");
    if (error !== null && !target.isConnected) {
      this.#traffic.reportPassthrough(target.address, error);
      const request = { minorVersion: this.#head.minorVersion, isHead: this.#head.isHead, keepAlive: false };
      const text = `failed to pass the request to its original destination: ${target.address}: ${error.message}`;
      this.#peer.write(badGateway(this.#traffic.agentVersion, text, request, this.#traffic.date()));
      this.#close();
    } else if (error !== null && passed?.state !== "done") {
      this.#end();
      this.#peer.reset();
    } else {
      // A target that has answered may leave without reading on; the answer still arrives.
      this.#close();
    }
  }

  /** The peer ended its direction; when nothing of it is left to do, so does everything else. */
  #actOnPeerEnd(): void {
    if (!this.#hasPeerEnded || this.#isOver || this.#isRaw) return;
    if (this.#stolen !== null) {
      if (!this.#stolen.isBodyDone) this.#breakOff("the peer ended the connection inside a request");
      return;
    }
    if (this.#held !== null && this.#passed === null) {
      // Half a head: the target's to answer, unless it has never heard of this connection's exchanges.
      if (this.#hasStolen) this.#close();
      else this.#goRaw();
      return;
    }
    if (this.#target !== null) this.#target.socket.end();
    else if (this.#passed === null) this.#close();
  }

  /** The request cannot be finished. */
  #breakOff(why: string): void {
    this.#stolen?.peerFailed(why);
    this.#traffic.reportBroken(why);
    this.#end();
    this.#peer.reset();
  }

  #peerDrained(): void {
    this.#clearPending();
    this.#target?.socket.resume();
  }

  /** Nothing of an answer waits for the peer any more, or it waits on somebody else's account. */
  #clearPending(): void {
    for (const set of this.#setPending) set(0);
    this.#setPending.length = 0;
  }

  #peerClosed(error: Error | null): void {
    if (this.#isOver) return;
    this.#clearPending();
    const why = error?.message ?? "the peer closed the connection";
    if (error !== null && (this.#passed !== null || this.#stolen !== null)) this.#traffic.reportBroken(why);
    this.#stolen?.peerFailed(why);
    this.#endPassed(why);
    if (error === null) this.#target?.socket.close();
    else this.#target?.socket.reset();
    this.#end();
  }

  /** Goes on with what was held, and with reading. */
  #resumePeer(): void {
    if (this.#isOver || this.#isRaw) {
      if (this.#isRaw) this.#peer.resume();
      return;
    }
    const held = this.#held;
    this.#held = null;
    if (held === null || this.#take(held)) this.#peer.resume();
    this.#actOnPeerEnd();
  }

  /** Ends the connection in order: what was written still arrives, what the peer still sends is read and dropped for a while. */
  #close(): void {
    if (this.#isOver) return;
    this.#end();
    this.#peer.endAndLinger(LINGER_MS, STUCK_MS);
  }

  /** Lets go of everything but the peer's socket. */
  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endPassed(null);
    if (this.#stolen !== null) this.#traffic.countStolen(-1);
    this.#stolen?.endMirrors();
    this.#stolen = null;
    this.#held = null;
    this.#dropTarget();
    this.#peer.reader = {
      bytes: () => true,
      drained: () => this.#clearPending(),
      closed: () => this.#clearPending(),
    };
  }
}
