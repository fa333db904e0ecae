// One stream of a connection: a message in each direction, with windows for both. What cannot be sent yet waits here; what was received is the reader's, which says when it has got
// rid of it, and only then the other side may send more. So a slow reader holds up its own stream and nothing else.

import type { Field } from "./fields.ts";
import type { FrameOutput } from "./frameOutput.ts";
import { DEFAULT_MAX_FRAME_BYTES, DEFAULT_WINDOW_BYTES, Flag, FrameType } from "./frameTypes.ts";

/** Largest window of a stream whose reader keeps up. */
const GROWN_WINDOW_BYTES = 256 * 1024;

/** The other side reset the stream, or broke the protocol, or is gone. */
export interface StreamBreak {
  readonly code: number;
  readonly why: string;
}

export interface StreamReader {
  /** The fields of a head, interim or not, or trailers. */
  headers(fields: readonly Field[], isEnd: boolean): void;
  /** A part of the body, good for this call. `consume` says when it was dealt with. */
  data(view: Uint8Array, isEnd: boolean): void;
  /** Bytes given to `send` have left. */
  sent(bytes: number): void;
  /** The stream is over: null when both directions have ended, or ours has after `resetWhenSent`; else it broke off by the other side's doing. Not called after `reset`. */
  closed(cause: StreamBreak | null): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly output: FrameOutput;
  /** How much may be sent on all streams together. */
  sendWindowBytes: number;
  /** Whether windows may become larger when readers keep up. */
  readonly mayGrowWindows: boolean;
  /** Writes a head or trailers. */
  writeHeaders(stream: Stream, fields: readonly Field[], isEnd: boolean): void;
  /** The stream has something to send that its own window allows. */
  waits(stream: Stream): void;
  /** So much of what was received has been dealt with. */
  credit(bytes: number): void;
  /** The stream is over. */
  forget(stream: Stream, wasReset: boolean): void;
}

export class Stream {
  readonly id: number;
  reader: StreamReader;
  readonly #host: StreamHost;
  /** How much may be sent. Can be below zero. */
  sendWindowBytes: number;
  /** Waits to be sent, in order, in memory that does not change. */
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** What comes after the queue. */
  #ending: { readonly trailers: readonly Field[] | null } | null = null;
  #hasSentHead = false;
  /** With which code the stream is reset when all of ours is sent; null to wait for the other side's end. */
  #codeWhenSent: number | null = null;
  #isLocalOpen = true;
  #isRemoteOpen = true;
  #isOver = false;
  /** How much may be received. */
  #receiveWindowBytes = DEFAULT_WINDOW_BYTES;
  #windowBytes = DEFAULT_WINDOW_BYTES;
  /** Received and not consumed. */
  #heldBytes = 0;
  /** Consumed, and the other side does not know yet. */
  #creditBytes = 0;
  /** What its `content-length` says is still to come; null without one. */
  expectedBytes: number | null = null;

  constructor(id: number, host: StreamHost, sendWindowBytes: number, reader: StreamReader) {
    this.id = id;
    this.#host = host;
    this.sendWindowBytes = sendWindowBytes;
    this.reader = reader;
  }

  /** Nothing more can be sent or will be received. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the other side may still send. */
  get isRemoteOpen(): boolean {
    return this.#isRemoteOpen;
  }

  /** Bytes that wait to be sent. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether the head of our message was sent; interim ones do not count. */
  get hasSentHead(): boolean {
    return this.#hasSentHead;
  }

  /** Whether something could be sent if the connection allows it. */
  get isSendable(): boolean {
    return !this.#isOver && this.#queue.length > 0 && this.sendWindowBytes > 0;
  }

  sendHeaders(fields: readonly Field[], isEnd: boolean): void {
    if (!this.#isLocalOpen) return;
    this.#hasSentHead = true;
    this.#host.writeHeaders(this, fields, isEnd);
    if (isEnd) this.#endLocal();
  }

  /** A response that is not the final one. */
  sendInterim(fields: readonly Field[]): void {
    if (this.#isLocalOpen) this.#host.writeHeaders(this, fields, false);
  }

  /** Sends what can be sent now, and keeps the rest: a copy of it, unless `isStable`. */
  send(view: Uint8Array, isLast: boolean, isStable = false): void {
    if (!this.#isLocalOpen || this.#ending !== null) return;
    let at = 0;
    if (this.#queue.length === 0) {
      while (at < view.length) {
        const bytes = this.#sendable(view.length - at);
        if (bytes === 0) break;
        this.#write(view.subarray(at, at + bytes), isLast && at + bytes === view.length);
        at += bytes;
      }
    }
    if (at < view.length) {
      const rest = view.subarray(at);
      this.#queue.push(isStable ? rest : Uint8Array.from(rest));
      this.#queuedBytes += rest.length;
      if (isLast) this.#ending = { trailers: null };
      if (this.isSendable) this.#host.waits(this);
    } else if (isLast && view.length === 0) {
      this.end(null);
    }
    if (at > 0) this.reader.sent(at);
  }

  /** Ends our direction behind what waits. */
  end(trailers: readonly Field[] | null): void {
    if (!this.#isLocalOpen || this.#ending !== null) return;
    this.#ending = { trailers };
    if (this.#queue.length === 0) this.#writeEnding();
  }

  /** Sends one frame of what waits, as far as windows allow. */
  sendOne(): void {
    const view = this.#queue[0];
    if (view === undefined || this.#isOver) return;
    const bytes = this.#sendable(view.length);
    if (bytes === 0) return;
    if (bytes === view.length) this.#queue.shift();
    else this.#queue[0] = view.subarray(bytes);
    this.#queuedBytes -= bytes;
    const isEnd = this.#queue.length === 0 && this.#ending !== null;
    this.#write(view.subarray(0, bytes), isEnd && this.#ending?.trailers === null);
    if (isEnd && this.#ending?.trailers !== null) this.#writeEnding();
    this.reader.sent(bytes);
  }

  /** Ends the stream in both directions, at once. The reader hears nothing more. */
  reset(code: number): void {
    if (this.#isOver) return;
    this.#host.output.rstStream(this.id, code);
    this.#over(true);
  }

  /** Ends the other side's direction, too, as soon as ours has ended. */
  resetWhenSent(code: number): void {
    this.#codeWhenSent = code;
    if (!this.#isLocalOpen && !this.#isOver) this.#endLocal();
  }

  /** So many received bytes have been dealt with. */
  consume(bytes: number): void {
    if (this.#isOver || bytes === 0) return;
    this.#heldBytes -= bytes;
    this.#host.credit(bytes);
    if (!this.#isRemoteOpen) return;
    this.#creditBytes += bytes;
    if (this.#creditBytes < this.#windowBytes / 2) return;
    if (this.#heldBytes === 0 && this.#host.mayGrowWindows) this.#grow();
    this.#host.output.windowUpdate(this.id, this.#creditBytes);
    this.#receiveWindowBytes += this.#creditBytes;
    this.#creditBytes = 0;
  }

  /** For the connection: a frame begins that takes so much of the window. False when that is more than there is. */
  takeWindow(bytes: number): boolean {
    this.#receiveWindowBytes -= bytes;
    return this.#receiveWindowBytes >= 0;
  }

  /** For the connection: data arrived. False when it is not what `content-length` says. */
  received(view: Uint8Array, otherBytes: number, isEnd: boolean): boolean {
    this.#heldBytes += view.length + otherBytes;
    this.consume(otherBytes);
    if (this.expectedBytes !== null) {
      this.expectedBytes -= view.length;
      if (this.expectedBytes < 0 || (isEnd && this.expectedBytes !== 0)) return false;
    }
    if (isEnd) this.#isRemoteOpen = false;
    this.reader.data(view, isEnd);
    if (isEnd) this.#endIfDone();
    return true;
  }

  /** For the connection: a head or trailers arrived. False as with `received`. */
  receivedHeaders(fields: readonly Field[], isEnd: boolean): boolean {
    if (isEnd && this.expectedBytes !== null && this.expectedBytes !== 0) return false;
    if (isEnd) this.#isRemoteOpen = false;
    this.reader.headers(fields, isEnd);
    if (isEnd) this.#endIfDone();
    return true;
  }

  /** For the connection: its request had no body. */
  endRemote(): void {
    this.#isRemoteOpen = false;
  }

  /** For the connection: the stream is over by the other side's doing, or because of it. */
  break(code: number, why: string): void {
    if (this.#isOver) return;
    this.#over(false);
    this.reader.closed({ code, why });
  }

  #sendable(wantedBytes: number): number {
    const { output, sendWindowBytes } = this.#host;
    if (!output.hasRoom) return 0;
    return Math.max(0, Math.min(wantedBytes, DEFAULT_MAX_FRAME_BYTES, this.sendWindowBytes, sendWindowBytes));
  }

  #write(view: Uint8Array, isEnd: boolean): void {
    this.sendWindowBytes -= view.length;
    this.#host.sendWindowBytes -= view.length;
    this.#host.output.frame(FrameType.data, isEnd ? Flag.endStream : 0, this.id, view);
    if (isEnd) this.#endLocal();
  }

  #writeEnding(): void {
    const trailers = this.#ending?.trailers ?? null;
    if (trailers === null) this.#host.output.frame(FrameType.data, Flag.endStream, this.id, new Uint8Array(0));
    else this.#host.writeHeaders(this, trailers, true);
    this.#endLocal();
  }

  #endLocal(): void {
    this.#isLocalOpen = false;
    if (this.#codeWhenSent !== null && this.#isRemoteOpen) {
      this.reset(this.#codeWhenSent);
      this.reader.closed(null);
    } else {
      this.#endIfDone();
    }
  }

  #endIfDone(): void {
    if (this.#isLocalOpen || this.#isRemoteOpen || this.#isOver) return;
    this.#over(false);
    this.reader.closed(null);
  }

  #over(wasReset: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isLocalOpen = false;
    this.#isRemoteOpen = false;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    // What the reader still has is its own now; the connection must not wait for it.
    this.#host.credit(this.#heldBytes);
    this.#heldBytes = 0;
    this.#host.forget(this, wasReset);
  }

  /** The reader keeps up: the other side may have more under way. */
  #grow(): void {
    const grown = Math.min(this.#windowBytes * 2, GROWN_WINDOW_BYTES);
    this.#creditBytes += grown - this.#windowBytes;
    this.#windowBytes = grown;
  }
}
