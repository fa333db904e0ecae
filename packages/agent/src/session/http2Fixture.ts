// HTTP/2 by hand for tests: a peer that writes any frames it likes and reads what comes, and a target that does the same.

import { HpackDecoder } from "../incoming/http2/hpackDecoder.ts";
import { blockMaxBytes, encodeBlock } from "../incoming/http2/hpackEncoder.ts";
import type { Field } from "../incoming/http2/fields.ts";
import { PREFACE } from "../incoming/http2/frameTypes.ts";
import type { Peer } from "./incomingFixture.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const types = {
  data: 0,
  headers: 1,
  priority: 2,
  rst: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

export function block(fields: readonly Field[]): Buffer {
  const out = Buffer.alloc(blockMaxBytes(fields));
  return out.subarray(0, encodeBlock(fields, out, 0, false));
}

export function headers(streamId: number, fields: readonly Field[], flags = END_STREAM): Buffer {
  return frame(types.headers, flags | END_HEADERS, streamId, block(fields));
}

export const request: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "shop"],
  [":path", "/"],
];

/** Preface, own settings, acknowledgement of the other side's. */
export const opening = Buffer.concat([PREFACE, frame(types.settings, 0, 0), frame(types.settings, 1, 0)]);

/** Reads frames of what a peer receives, and waits for those that are asked for. */
export class FrameWatcher {
  readonly #peer: Peer;
  readonly #decoder = new HpackDecoder(4096);
  readonly #decoded = new Map<number, Field[]>();

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  get frames(): Frame[] {
    const { bytes } = this.#peer;
    const frames: Frame[] = [];
    for (let at = 0; at + 9 <= bytes.length;) {
      const length = bytes.readUIntBE(at, 3);
      if (at + 9 + length > bytes.length) break;
      const payload = bytes.subarray(at + 9, at + 9 + length);
      frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, streamId: bytes.readUInt32BE(at + 5) % 2 ** 31, payload });
      at += 9 + length;
    }
    return frames;
  }

  async next(matches: (frame: Frame) => boolean): Promise<Frame> {
    let found: Frame | undefined;
    await this.#peer.until(() => (found = this.frames.find(matches)) !== undefined);
    return found!;
  }

  of(type: number, streamId: number): Promise<Frame> {
    return this.next((one) => one.type === type && one.streamId === streamId);
  }

  /** Code of the reset of a stream. */
  async rst(streamId: number): Promise<number> {
    return (await this.of(types.rst, streamId)).payload.readUInt32BE();
  }

  /** Code of the end of the connection that is no announcement. */
  async goAway(): Promise<number> {
    return (await this.next(({ type, payload }) => type === types.goAway && payload.readUInt32BE() !== 2 ** 31 - 1)).payload.readUInt32BE(
      4,
    );
  }

  /** The fields of the `nth` HEADERS frame on a stream. */
  async fields(streamId: number, nth = 0): Promise<Field[]> {
    const isHeaders = (one: Frame): boolean => one.type === types.headers;
    await this.#peer.until(() => this.frames.filter((one) => isHeaders(one) && one.streamId === streamId).length > nth);
    // Header blocks must be read in order, each once.
    for (const [index, one] of this.frames.filter(isHeaders).entries()) {
      if (!this.#decoded.has(index)) this.#decoded.set(index, this.#decoder.decode(one.payload, 0, one.payload.length, 1 << 20) ?? []);
    }
    const indexes = this.frames.filter(isHeaders).flatMap((one, index) => (one.streamId === streamId ? [index] : []));
    return this.#decoded.get(indexes[nth]!)!;
  }

  async status(streamId: number): Promise<string | undefined> {
    return (await this.fields(streamId)).find(([name]) => name === ":status")?.[1];
  }

  /** The body on a stream, when it has ended. */
  async body(streamId: number): Promise<string> {
    const isEnd = (one: Frame): boolean => one.streamId === streamId && one.type <= types.headers && (one.flags & END_STREAM) !== 0;
    await this.next(isEnd);
    return Buffer.concat(
      this.frames.filter((one) => one.type === types.data && one.streamId === streamId).map(({ payload }) => payload),
    ).toString("latin1");
  }
}
