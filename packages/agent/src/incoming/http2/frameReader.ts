// Cuts received bytes into frames. DATA is handed on as it arrives, never collected; other frames are handed on whole. It checks sizes and padding, and leaves meaning to the
// one who listens.

import { ConnectionError, ErrorCode } from "./errors.ts";
import { DEFAULT_MAX_FRAME_BYTES, Flag, FRAME_HEADER_BYTES, FrameType, readUint31 } from "./frameTypes.ts";

export interface FrameListener {
  /** Any frame but DATA. The payload is a view, good for this call. */
  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void;
  /** A DATA frame begins. `windowBytes`: what all of it takes of the windows, padding included. */
  dataBegins(streamId: number, windowBytes: number): void;
  /** A part of it; the view is good for this call. `otherBytes`: padding that counts in the windows and is nobody's data. */
  data(streamId: number, view: Uint8Array, otherBytes: number, isLastOfStream: boolean): void;
}

/** The DATA frame under way. */
interface DataFrame {
  readonly streamId: number;
  readonly isEndStream: boolean;
  dataBytes: number;
  paddingBytes: number;
}

const NOTHING = new Uint8Array(0);

export class FrameReader {
  readonly #listener: FrameListener;
  /** The beginning of something that is handed on whole, in memory of its own. */
  #held: Uint8Array = NOTHING;
  #heldBytes = 0;
  #data: DataFrame | null = null;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** @throws ConnectionError, also what the listener throws. Nothing may be fed after that. */
  feed(view: Uint8Array): void {
    let at = 0;
    while (at < view.length) {
      at = this.#data === null ? this.#takeFrame(view, at) : this.#takeData(this.#data, view, at);
    }
  }

  /** Takes one frame, or what there is of it. Returns where the rest begins. */
  #takeFrame(view: Uint8Array, start: number): number {
    if (this.#heldBytes === 0) {
      const rest = view.length - start;
      const needed = rest < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : neededBytes(view, start);
      if (rest < needed) {
        this.#hold(view, start, view.length);
        return view.length;
      }
      this.#handOn(view, start, needed);
      return start + needed;
    }
    let at = start;
    if (this.#heldBytes < FRAME_HEADER_BYTES) {
      at = this.#holdUpTo(FRAME_HEADER_BYTES, view, at);
      if (this.#heldBytes < FRAME_HEADER_BYTES) return at;
    }
    const needed = neededBytes(this.#held, 0);
    at = this.#holdUpTo(needed, view, at);
    if (this.#heldBytes < needed) return at;
    const held = this.#held;
    this.#held = NOTHING;
    this.#heldBytes = 0;
    this.#handOn(held, 0, needed);
    return at;
  }

  #holdUpTo(bytes: number, view: Uint8Array, start: number): number {
    const end = Math.min(view.length, start + bytes - this.#heldBytes);
    this.#hold(view, start, end);
    return end;
  }

  #hold(view: Uint8Array, start: number, end: number): void {
    const bytes = this.#heldBytes + end - start;
    if (bytes > this.#held.length) {
      // All of the frame when its length is known, so that there is one copy.
      const room =
        this.#heldBytes >= FRAME_HEADER_BYTES
          ? neededBytes(this.#held, 0)
          : bytes < FRAME_HEADER_BYTES
            ? FRAME_HEADER_BYTES
            : neededBytes(view, start);
      const grown = new Uint8Array(room);
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(view.subarray(start, end), this.#heldBytes);
    this.#heldBytes = bytes;
  }

  /** `bytes[start, start + length)` is a whole frame, or of a DATA frame what comes before the data. */
  #handOn(bytes: Uint8Array, start: number, length: number): void {
    const type = bytes[start + 3]!;
    const flags = bytes[start + 4]!;
    const streamId = readUint31(bytes, start + 5);
    if (type !== FrameType.data) {
      this.#listener.frame(type, flags, streamId, bytes.subarray(start + FRAME_HEADER_BYTES, start + length));
      return;
    }
    if (streamId === 0) throw new ConnectionError(ErrorCode.protocolError, "DATA without a stream");
    const windowBytes = payloadBytes(bytes, start);
    const isPadded = length > FRAME_HEADER_BYTES;
    const paddingBytes = isPadded ? bytes[start + FRAME_HEADER_BYTES]! : 0;
    const dataBytes = windowBytes - (isPadded ? 1 : 0) - paddingBytes;
    if (dataBytes < 0) throw new ConnectionError(ErrorCode.protocolError, "padding longer than its frame");
    const isEndStream = (flags & Flag.endStream) !== 0;
    this.#listener.dataBegins(streamId, windowBytes);
    if (dataBytes + paddingBytes > 0) this.#data = { streamId, isEndStream, dataBytes, paddingBytes };
    // Padding that is to come is counted when it is there.
    if (dataBytes + paddingBytes === 0 || isPadded)
      this.#listener.data(streamId, NOTHING, isPadded ? 1 : 0, isEndStream && dataBytes + paddingBytes === 0);
  }

  #takeData(data: DataFrame, view: Uint8Array, start: number): number {
    const dataEnd = Math.min(view.length, start + data.dataBytes);
    const end = Math.min(view.length, dataEnd + data.paddingBytes);
    data.dataBytes -= dataEnd - start;
    data.paddingBytes -= end - dataEnd;
    const isComplete = data.dataBytes + data.paddingBytes === 0;
    if (isComplete) this.#data = null;
    this.#listener.data(data.streamId, view.subarray(start, dataEnd), end - dataEnd, isComplete && data.isEndStream);
    return end;
  }
}

/** Bytes that must be there before something of the frame can be handed on; its header is there. */
function neededBytes(bytes: Uint8Array, start: number): number {
  const length = payloadBytes(bytes, start);
  if (length > DEFAULT_MAX_FRAME_BYTES)
    throw new ConnectionError(ErrorCode.frameSizeError, `frame of ${length} bytes, at most ${DEFAULT_MAX_FRAME_BYTES} are allowed`);
  if (bytes[start + 3] !== FrameType.data) return FRAME_HEADER_BYTES + length;
  if ((bytes[start + 4]! & Flag.padded) === 0) return FRAME_HEADER_BYTES;
  if (length === 0) throw new ConnectionError(ErrorCode.frameSizeError, "padded DATA without a length of its padding");
  return FRAME_HEADER_BYTES + 1;
}

function payloadBytes(bytes: Uint8Array, start: number): number {
  return (bytes[start]! << 16) | (bytes[start + 1]! << 8) | bytes[start + 2]!;
}
