// One end of an HTTP/2 connection (RFC 9113), as the server of a peer or as a client of the target. It keeps the rules that both roles share: frames, header blocks, settings, windows, the
// states of streams, and bounds for what the other side may do. What a request means, and where it goes, is the handler's.

import type { ByteSocket } from "../../socket/byteSocket.ts";
import type { ReceiveBuffers } from "../../socket/receiveBuffer.ts";
import type { HeldMemory } from "../http/heldBytes.ts";
import { ConnectionWindow } from "./connectionWindow.ts";
import { ConnectionError, ErrorCode, StreamError, errorCodeText } from "./errors.ts";
import type { Field } from "./fields.ts";
import { FloodGuard } from "./floodGuard.ts";
import { FrameOutput } from "./frameOutput.ts";
import { blockOf, checkFrame, protocolError } from "./frameRules.ts";
import { type FrameListener, FrameReader } from "./frameReader.ts";
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  Flag,
  FrameType,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  PREFACE,
  readUint31,
  readUint32,
} from "./frameTypes.ts";
import { HeaderBlock } from "./headerBlock.ts";
import { checkTrailers, readRequestHead, readStatus, type RequestHead } from "./messageHead.ts";
import { RemoteSettings } from "./settings.ts";
import { Stream, type StreamHost, type StreamReader } from "./stream.ts";
import { StreamTable } from "./streamTable.ts";

/** More than this waits for the other side only when it takes nothing and lets us produce heads and acknowledgements all the same. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** Streams that a peer resets before it could have its answer. */
const RESET_LIMITS = { burst: 1000, perSecond: 200 };
/** Frames that bring nothing. */
const IDLE_FRAME_LIMITS = { burst: 10_000, perSecond: 1000 };

export interface EndpointOptions {
  readonly role: "server" | "client";
  readonly socket: ByteSocket;
  readonly buffers: ReceiveBuffers;
  /** What we tell of ourselves at the start. */
  readonly settings: readonly (readonly [id: number, value: number])[];
  /** Largest list of fields that is taken, by the measure of RFC 9113 §6.5.2. */
  readonly maxHeaderListBytes: number;
  /** Streams that the other side may have open. Servers only. */
  readonly maxStreams: number;
  /** Where received bytes are counted that have to wait. */
  readonly memory: HeldMemory;
}

export interface EndpointHandler {
  /** A request began; null when its head is larger than may be. Returns who reads on. Servers only. */
  request(stream: Stream, head: RequestHead | null, fields: readonly Field[], isEnd: boolean): void;
  /** Settings of the other side arrived. */
  settings(): void;
  /** The other side ends the connection: it does nothing for streams above `lastStreamId`. */
  goingAway(lastStreamId: number, code: number, debugData: Uint8Array): void;
  /** A ping of ours came back. */
  pong(): void;
  /** A stream is over. */
  streamOver(): void;
  /** The connection is over because of what the other side did. All streams were told. */
  failed(error: ConnectionError): void;
}

/** A stream until somebody reads it. */
const NOBODY: StreamReader = { headers: () => undefined, data: () => undefined, sent: () => undefined, closed: () => undefined };

export class Endpoint implements StreamHost, FrameListener {
  readonly output: FrameOutput;
  readonly remote = new RemoteSettings();
  sendWindowBytes = DEFAULT_WINDOW_BYTES;
  /** The target is near: its windows need not be large. */
  readonly mayGrowWindows: boolean;
  readonly #options: EndpointOptions;
  readonly #handler: EndpointHandler;
  readonly #reader: FrameReader;
  readonly #block: HeaderBlock;
  readonly #streams = new StreamTable();
  readonly #window: ConnectionWindow;
  readonly #resets = new FloodGuard("streams that were reset at once", RESET_LIMITS);
  readonly #idleFrames = new FloodGuard("frames without content", IDLE_FRAME_LIMITS);
  /** How much of the preface was seen. Servers only. */
  #prefaceBytes: number;
  #hasSettings = false;
  /** Requests above it are not taken any more. */
  #lastTakenId = MAX_STREAM_ID;
  #mustEmptyTable = false;
  #isOver = false;

  constructor(options: EndpointOptions, handler: EndpointHandler) {
    const { role, socket, buffers, settings, maxHeaderListBytes, memory } = options;
    this.#options = options;
    this.#handler = handler;
    this.output = new FrameOutput(socket, buffers);
    this.#reader = new FrameReader(this);
    this.#block = new HeaderBlock(maxHeaderListBytes);
    this.mayGrowWindows = role === "server";
    this.#window = new ConnectionWindow({ memory, mayGrow: this.mayGrowWindows, widen: (bytes) => this.output.windowUpdate(0, bytes) });
    this.#prefaceBytes = role === "server" ? 0 : PREFACE.length;
    if (role === "client") this.output.raw(PREFACE);
    this.output.settings(settings);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the other side has said that it speaks HTTP/2. */
  get hasSettings(): boolean {
    return this.#hasSettings;
  }

  get streamCount(): number {
    return this.#streams.count;
  }

  get lastStreamId(): number {
    return this.#streams.lastId;
  }

  /** Takes received bytes. */
  feed(view: Uint8Array): void {
    if (this.#isOver) return;
    try {
      this.#reader.feed(this.#takePreface(view));
      if (this.output.waitingBytes > MAX_WAITING_BYTES)
        throw new ConnectionError(ErrorCode.enhanceYourCalm, "nothing of what is sent is taken");
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.fail(error);
    }
  }

  /** The socket has drained: what waits can go on. */
  drained(): void {
    this.output.drained();
    this.#pump();
  }

  /** Opens a stream. Clients only. */
  open(fields: readonly Field[], isEnd: boolean, reader: StreamReader): Stream {
    this.#streams.lastId += this.#streams.lastId === 0 ? 1 : 2;
    const stream = new Stream(this.#streams.lastId, this, this.remote.initialWindowBytes, reader);
    this.#streams.add(stream);
    stream.sendHeaders(fields, isEnd);
    return stream;
  }

  /** Whether the next stream that we open would be one of those up to `lastStreamId`. */
  mayOpenUpTo(lastStreamId: number): boolean {
    return this.#streams.lastId < lastStreamId - 1;
  }

  /** Whether another stream has a number left. */
  get hasIds(): boolean {
    return this.#streams.lastId < MAX_STREAM_ID - 1;
  }

  /** Tells the other side that no more requests are taken: none above `lastStreamId`, which is the latest one unless given. */
  goAway(code: number, lastStreamId = this.#streams.lastId, debugData: Uint8Array = new Uint8Array(0)): void {
    this.#lastTakenId = Math.min(this.#lastTakenId, lastStreamId);
    this.output.goAway(this.#lastTakenId, code, debugData);
  }

  ping(): void {
    this.output.frame(FrameType.ping, 0, 0, new Uint8Array(8));
  }

  /** Ends the connection for an error of the other side. */
  fail(error: ConnectionError): void {
    if (this.#isOver) return;
    this.output.goAway(this.#options.role === "server" ? this.#streams.lastId : 0, error.code, Buffer.from(error.message));
    this.output.flush();
    this.abandon(error.code, error.message);
    this.#handler.failed(error);
  }

  /** The connection is gone, or is not needed any more: streams that are open hear of it. Sends nothing. */
  abandon(code: number, why: string): void {
    this.#isOver = true;
    for (const stream of this.#streams.values()) stream.break(code, why);
  }

  // What streams ask for.

  writeHeaders(stream: Stream, fields: readonly Field[], isEnd: boolean): void {
    const emptiesTable = this.#mustEmptyTable;
    this.#mustEmptyTable = false;
    this.output.headers(stream.id, fields, { isEnd, maxFrameBytes: DEFAULT_MAX_FRAME_BYTES, emptiesTable });
  }

  waits(stream: Stream): void {
    this.#streams.wait(stream);
  }

  credit(bytes: number): void {
    this.#window.release(bytes);
    if (!this.#isOver) this.#window.update();
  }

  forget(stream: Stream, wasReset: boolean): void {
    this.#streams.forget(stream, wasReset);
    if (!this.#isOver) this.#handler.streamOver();
  }

  // What the reader of frames hands on.

  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#hasSettings && (type !== FrameType.settings || (flags & Flag.ack) !== 0))
      throw protocolError("the first frame is not SETTINGS");
    if (this.#block.isOpen && type !== FrameType.continuation) throw protocolError("a header block was interrupted");
    checkFrame(type, flags, streamId, payload.length);
    switch (type) {
      case FrameType.headers:
        this.#block.begin(streamId, (flags & Flag.endStream) !== 0, blockOf(flags, streamId, payload));
        if ((flags & Flag.endHeaders) !== 0) this.#blockComplete();
        return;
      case FrameType.continuation:
        if (!this.#block.isOpen || this.#block.streamId !== streamId) throw protocolError("CONTINUATION of nothing");
        this.#block.add(payload);
        if ((flags & Flag.endHeaders) !== 0) this.#blockComplete();
        return;
      case FrameType.rstStream:
        this.#rstStream(streamId, payload);
        return;
      case FrameType.settings:
        if ((flags & Flag.ack) === 0) this.#settings(payload);
        return;
      case FrameType.ping:
        this.#ping(flags, payload);
        return;
      case FrameType.goAway:
        this.#goAway(readUint31(payload, 0), readUint32(payload, 4), Uint8Array.from(payload.subarray(8)));
        return;
      case FrameType.windowUpdate:
        this.#windowUpdate(streamId, payload);
        return;
      default:
        // Priorities are advice; unknown frames are ignored (RFC 9113 §5.5).
        this.#idleFrames.count();
    }
  }

  dataBegins(streamId: number, windowBytes: number): void {
    if (this.#isOver) return;
    if (!this.#hasSettings) throw protocolError("the first frame is not SETTINGS");
    if (this.#block.isOpen) throw protocolError("a header block was interrupted");
    if (windowBytes === 0) this.#idleFrames.count();
    this.#window.take(windowBytes);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#streams.isIdle(streamId)) throw protocolError("DATA on an idle stream");
      return;
    }
    if (!stream.isRemoteOpen) this.#breakStream(stream, new StreamError(ErrorCode.streamClosed, "DATA behind the end of a stream"));
    else if (!stream.takeWindow(windowBytes))
      this.#breakStream(stream, new StreamError(ErrorCode.flowControlError, "more DATA than the stream's window allows"));
  }

  data(streamId: number, view: Uint8Array, otherBytes: number, isEnd: boolean): void {
    if (this.#isOver) return;
    this.#window.hold(view.length + otherBytes);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#window.release(view.length + otherBytes);
    else this.#guarded(stream, () => stream.received(view, otherBytes, isEnd));
    this.#window.update();
  }

  #takePreface(view: Uint8Array): Uint8Array {
    const seen = this.#prefaceBytes;
    if (seen === PREFACE.length) return view;
    const bytes = Math.min(view.length, PREFACE.length - seen);
    for (let i = 0; i < bytes; i++) if (view[i] !== PREFACE[seen + i]) throw protocolError("invalid connection preface");
    this.#prefaceBytes += bytes;
    return view.subarray(bytes);
  }

  #blockComplete(): void {
    const { streamId, isEndStream } = this.#block;
    const fields = this.#block.decode();
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#unknownStream(streamId, fields, isEndStream);
    else this.#streamHeaders(stream, fields, isEndStream);
  }

  #unknownStream(streamId: number, fields: readonly Field[] | null, isEnd: boolean): void {
    const isLate = this.#streams.wasReset(streamId) || streamId > this.#lastTakenId;
    if (this.#options.role === "client") {
      if (this.#streams.isIdle(streamId)) throw protocolError("HEADERS on an idle stream");
      return;
    }
    if (streamId % 2 === 0) throw protocolError("a request with an even stream id");
    if (streamId <= this.#streams.lastId) {
      if (!isLate) throw new ConnectionError(ErrorCode.streamClosed, "HEADERS on a closed stream");
      return;
    }
    this.#streams.lastId = streamId;
    if (isLate) return;
    const stream = new Stream(streamId, this, this.remote.initialWindowBytes, NOBODY);
    if (this.#streams.count >= this.#options.maxStreams) {
      this.#resets.count();
      stream.reset(ErrorCode.refusedStream);
      return;
    }
    this.#streams.add(stream);
    this.#guarded(stream, () => {
      const head = fields === null ? null : readRequestHead(fields);
      stream.expectedBytes = head?.contentLength ?? null;
      if (isEnd) stream.endRemote();
      if (isEnd && (stream.expectedBytes ?? 0) !== 0) return false;
      this.#handler.request(stream, head, fields ?? [], isEnd);
      return true;
    });
  }

  #streamHeaders(stream: Stream, fields: readonly Field[] | null, isEnd: boolean): void {
    this.#guarded(stream, () => {
      if (!stream.isRemoteOpen) throw new StreamError(ErrorCode.streamClosed, "HEADERS behind the end of a stream");
      if (fields === null) throw new StreamError(ErrorCode.internalError, "too many header fields");
      const isHead = this.#options.role === "client" && fields[0]?.[0] === ":status";
      if (isHead) readStatus(fields);
      else if (isEnd) checkTrailers(fields);
      else throw new StreamError(ErrorCode.protocolError, "trailers that do not end the stream");
      return stream.receivedHeaders(fields, isEnd);
    });
  }

  /** An error of one message ends its stream only. */
  #guarded(stream: Stream, work: () => boolean): void {
    try {
      if (!work()) throw new StreamError(ErrorCode.protocolError, "a body of another length than content-length says");
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#breakStream(stream, error);
    }
  }

  #breakStream(stream: Stream, error: StreamError): void {
    if (stream.isOver) return;
    // Each costs us the handling of a request, so they count like streams that the other side resets.
    this.#resets.count();
    const { reader } = stream;
    stream.reset(error.code);
    reader.closed({ code: error.code, why: error.message });
  }

  #rstStream(streamId: number, payload: Uint8Array): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#streams.isIdle(streamId)) throw protocolError("RST_STREAM on an idle stream");
      this.#idleFrames.count();
      return;
    }
    if (this.#options.role === "server" && !stream.hasSentHead) this.#resets.count();
    const code = readUint32(payload, 0);
    stream.break(code, `the stream was reset (${errorCodeText(code)})`);
  }

  #settings(payload: Uint8Array): void {
    if (this.#hasSettings) this.#idleFrames.count();
    const before = this.remote.initialWindowBytes;
    if (this.remote.apply(payload)) this.#mustEmptyTable = true;
    const change = this.remote.initialWindowBytes - before;
    if (change !== 0) for (const stream of this.#streams.values()) this.#widen(stream, change);
    this.#hasSettings = true;
    this.output.frame(FrameType.settings, Flag.ack, 0, new Uint8Array(0));
    this.#handler.settings();
    this.#pump();
  }

  #ping(flags: number, payload: Uint8Array): void {
    if ((flags & Flag.ack) !== 0) {
      this.#handler.pong();
      return;
    }
    this.#idleFrames.count();
    this.output.frame(FrameType.ping, Flag.ack, 0, payload);
  }

  #goAway(lastStreamId: number, code: number, debugData: Uint8Array): void {
    this.#idleFrames.count();
    this.#handler.goingAway(lastStreamId, code, debugData);
    if (this.#options.role === "server") return;
    for (const stream of this.#streams.values()) {
      if (stream.id > lastStreamId) stream.break(ErrorCode.refusedStream, "the target ended the connection before this request");
    }
  }

  #windowUpdate(streamId: number, payload: Uint8Array): void {
    const bytes = readUint31(payload, 0);
    if (streamId === 0) {
      if (bytes === 0) throw protocolError("WINDOW_UPDATE by nothing");
      this.sendWindowBytes += bytes;
      if (this.sendWindowBytes > MAX_WINDOW_BYTES) throw new ConnectionError(ErrorCode.flowControlError, "a window that is too large");
      this.#pump();
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#streams.isIdle(streamId)) throw protocolError("WINDOW_UPDATE on an idle stream");
      return;
    }
    if (bytes === 0) this.#breakStream(stream, new StreamError(ErrorCode.protocolError, "WINDOW_UPDATE by nothing"));
    else if (stream.sendWindowBytes + bytes > MAX_WINDOW_BYTES)
      this.#breakStream(stream, new StreamError(ErrorCode.flowControlError, "a window that is too large"));
    else this.#widen(stream, bytes);
    this.#pump();
  }

  #widen(stream: Stream, bytes: number): void {
    stream.sendWindowBytes += bytes;
    if (stream.sendWindowBytes > MAX_WINDOW_BYTES) throw new ConnectionError(ErrorCode.flowControlError, "a window that is too large");
    if (stream.isSendable) this.#streams.wait(stream);
  }

  /** Sends what waits, one frame of each stream in turn. */
  #pump(): void {
    while (this.output.hasRoom && this.sendWindowBytes > 0 && this.#streams.sendNext());
  }
}
