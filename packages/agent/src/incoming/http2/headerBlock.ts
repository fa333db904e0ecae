// A header block that arrives in one or more frames (RFC 9113 §4.3), with bounds: every block must be read to its end, for the table it builds, so one that would be too long ends the connection.

import { ConnectionError, ErrorCode } from "./errors.ts";
import type { Field } from "./fields.ts";
import { HpackDecoder } from "./hpackDecoder.ts";

/** What we tell nobody otherwise: the default of HPACK. */
const TABLE_BYTES = 4096;
/** Frames of one block; they may be empty. */
const MAX_FRAMES = 64;

export class HeaderBlock {
  readonly #decoder = new HpackDecoder(TABLE_BYTES);
  readonly #maxListBytes: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #streamId = 0;
  #isEndStream = false;

  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** Between the first frame and the last. */
  get isOpen(): boolean {
    return this.#pieces.length > 0;
  }

  get streamId(): number {
    return this.#streamId;
  }

  get isEndStream(): boolean {
    return this.#isEndStream;
  }

  /** `payload` is good until the frame has been dealt with. */
  begin(streamId: number, isEndStream: boolean, payload: Uint8Array): void {
    this.#streamId = streamId;
    this.#isEndStream = isEndStream;
    this.#pieces = [payload];
    this.#bytes = payload.length;
  }

  add(payload: Uint8Array): void {
    if (this.#pieces.length === 1) this.#pieces[0] = Uint8Array.from(this.#pieces[0]!);
    this.#pieces.push(Uint8Array.from(payload));
    this.#bytes += payload.length;
    if (this.#pieces.length > MAX_FRAMES || this.#bytes > this.#maxListBytes * 2)
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        `header block of more than ${this.#maxListBytes * 2} bytes or ${MAX_FRAMES} frames`,
      );
  }

  /** The fields of the complete block; null when they are more than is taken. @throws ConnectionError */
  decode(): readonly Field[] | null {
    const block = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return this.#decoder.decode(block, 0, block.length, this.#maxListBytes);
  }
}
