// Writes frames to a socket. What one turn of the event loop produces leaves in one write. It knows nothing of windows; whoever has DATA to send asks `hasRoom` first, so that what waits
// here stays small.

import type { ByteSocket } from "../../socket/byteSocket.ts";
import { RECEIVE_BUFFER_BYTES, type ReceiveBuffers } from "../../socket/receiveBuffer.ts";
import type { Field } from "./fields.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType } from "./frameTypes.ts";
import { blockMaxBytes, encodeBlock } from "./hpackEncoder.ts";

/** DATA that waits here: what was received before its source could be paused. */
const DATA_MAX_BYTES = RECEIVE_BUFFER_BYTES;

/** First chunk of a turn, from the memory that Node itself cuts small buffers from: most turns need no more, and all connections have one at the same time. */
const SMALL_CHUNK_BYTES = 4000;
/** Worth a write of its own. */
const LARGE_BYTES = 8 * 1024;

export class FrameOutput {
  readonly #socket: ByteSocket;
  readonly #buffers: ReceiveBuffers;
  /** What was written in this turn, from its beginning to `#length`. Null while nothing was. */
  #chunk: Buffer | null = null;
  #length = 0;
  #isScheduled = false;
  #isBacklogged = false;
  #isChunkKept = false;
  /** Chunks that the socket has not sent yet. */
  #lent: Buffer[] = [];

  constructor(socket: ByteSocket, buffers: ReceiveBuffers) {
    this.#socket = socket;
    this.#buffers = buffers;
  }

  /** True when the other side has not taken all that was sent: whoever feeds it from elsewhere should pause until the socket has drained. */
  get isBacklogged(): boolean {
    return this.#isBacklogged;
  }

  /** False when so much waits that DATA should wait elsewhere until the socket has drained. */
  get hasRoom(): boolean {
    return !this.#isBacklogged || this.waitingBytes < DATA_MAX_BYTES;
  }

  /** Bytes that the other side has not taken. */
  get waitingBytes(): number {
    return this.#length + this.#socket.backlog;
  }

  /** To be called when the socket has drained. */
  drained(): void {
    this.#isBacklogged = false;
    for (const chunk of this.#lent) this.#giveBack(chunk);
    this.#lent = [];
    this.flush();
  }

  /** Sends what was written. Happens by itself at the end of the turn. */
  flush(): void {
    const chunk = this.#chunk;
    if (chunk === null || this.#length === 0) return;
    const bytes = chunk.subarray(0, this.#length);
    this.#chunk = null;
    this.#length = 0;
    this.#isChunkKept = false;
    if (!this.#socket.write(bytes, this)) this.#isBacklogged = true;
    if (this.#isChunkKept) this.#lent.push(chunk);
    else this.#giveBack(chunk);
  }

  /** Sends what was written if it is a good deal: waiting for more of the turn would only keep the chunk from others. */
  flushLarge(): void {
    if (this.#length >= LARGE_BYTES && !this.#isBacklogged) this.flush();
  }

  /** The socket still needs the bytes that it was just given. */
  keep(): void {
    this.#isChunkKept = true;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#chunk!.set(bytes, at);
  }

  /** A frame with a payload of at most 16 KiB. */
  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const at = this.#begin(type, flags, streamId, payload.length);
    this.#chunk!.set(payload, at);
  }

  rstStream(streamId: number, code: number): void {
    const at = this.#begin(FrameType.rstStream, 0, streamId, 4);
    this.#chunk!.writeUInt32BE(code, at);
  }

  windowUpdate(streamId: number, bytes: number): void {
    const at = this.#begin(FrameType.windowUpdate, 0, streamId, 4);
    this.#chunk!.writeUInt32BE(bytes, at);
  }

  goAway(lastStreamId: number, code: number, debugData: Uint8Array): void {
    const at = this.#begin(FrameType.goAway, 0, 0, 8 + debugData.length);
    this.#chunk!.writeUInt32BE(lastStreamId, at);
    this.#chunk!.writeUInt32BE(code, at + 4);
    this.#chunk!.set(debugData, at + 8);
  }

  settings(values: readonly (readonly [id: number, value: number])[]): void {
    let at = this.#begin(FrameType.settings, 0, 0, values.length * 6);
    for (const [id, value] of values) {
      this.#chunk!.writeUInt16BE(id, at);
      this.#chunk!.writeUInt32BE(value, at + 2);
      at += 6;
    }
  }

  /** HEADERS, and CONTINUATION where one frame of `maxFrameBytes` is not enough. */
  headers(
    streamId: number,
    fields: readonly Field[],
    options: { readonly isEnd: boolean; readonly maxFrameBytes: number; readonly emptiesTable: boolean },
  ): void {
    const { isEnd, maxFrameBytes, emptiesTable } = options;
    const maxBytes = blockMaxBytes(fields);
    const endFlag = isEnd ? Flag.endStream : 0;
    if (maxBytes <= maxFrameBytes) {
      const at = this.#reserve(FRAME_HEADER_BYTES + maxBytes);
      const end = encodeBlock(fields, this.#chunk!, at + FRAME_HEADER_BYTES, emptiesTable);
      this.#writeHeader(at, FrameType.headers, endFlag | Flag.endHeaders, streamId, end - at - FRAME_HEADER_BYTES);
      this.#length = end;
      return;
    }
    const block = Buffer.allocUnsafe(maxBytes);
    const length = encodeBlock(fields, block, 0, emptiesTable);
    for (let start = 0; start < length; start += maxFrameBytes) {
      const end = Math.min(length, start + maxFrameBytes);
      const flags = (start === 0 ? endFlag : 0) | (end === length ? Flag.endHeaders : 0);
      this.frame(start === 0 ? FrameType.headers : FrameType.continuation, flags, streamId, block.subarray(start, end));
    }
  }

  /** Writes a frame's header and makes room for its payload; returns where that begins. */
  #begin(type: number, flags: number, streamId: number, payloadBytes: number): number {
    const at = this.#reserve(FRAME_HEADER_BYTES + payloadBytes);
    this.#writeHeader(at, type, flags, streamId, payloadBytes);
    return at + FRAME_HEADER_BYTES;
  }

  #writeHeader(at: number, type: number, flags: number, streamId: number, payloadBytes: number): void {
    const chunk = this.#chunk!;
    chunk.writeUIntBE(payloadBytes, at, 3);
    chunk[at + 3] = type;
    chunk[at + 4] = flags;
    chunk.writeUInt32BE(streamId, at + 5);
  }

  /** Makes room in the chunk; returns where it begins. */
  #reserve(bytes: number): number {
    if (this.#length + bytes > RECEIVE_BUFFER_BYTES) this.flush();
    if (this.#chunk === null || this.#length + bytes > this.#chunk.length) this.#chunk = this.#largerChunk(this.#length + bytes);
    const at = this.#length;
    this.#length += bytes;
    if (!this.#isScheduled) this.#schedule();
    return at;
  }

  /** A chunk with room for `bytes`, which begins with what was written. */
  #largerChunk(bytes: number): Buffer {
    const chunk =
      bytes <= SMALL_CHUNK_BYTES ? Buffer.allocUnsafe(SMALL_CHUNK_BYTES) : Buffer.from(this.#buffers.take().buffer as ArrayBuffer);
    this.#chunk?.copy(chunk, 0, 0, this.#length);
    return chunk;
  }

  #giveBack(chunk: Buffer): void {
    if (chunk.length === RECEIVE_BUFFER_BYTES) this.#buffers.give(new Uint8Array(chunk.buffer));
  }

  #schedule(): void {
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      // What cannot leave yet gathers here instead of taking a chunk for each turn.
      if (!this.#isBacklogged) this.flush();
    });
  }
}
