// An open file of the target, as Node's `FileHandle`. There is no `sync`: the protocol has no request for it.

import { Readable, type Writable } from "node:stream";
import { type FileRequests, ignoreSessionEnd, type RemoteFd } from "./fileRequests.ts";
import { PieceWriter } from "./pieceWriter.ts";
import { type ReadOptions, readPieces } from "./readPieces.ts";
import { Stats } from "./stats.ts";
import type { WaitOptions } from "./untilAborted.ts";
import { writableOf } from "./writableOf.ts";

/** Where in `buffer`, and where in the file. */
export interface TransferOptions extends WaitOptions {
  /** First byte of the buffer. Default 0. */
  readonly offset?: number;
  /** Bytes. Default: to the buffer's end. */
  readonly length?: number;
  /** In the file; null, the default, is the file's own position, which then moves on. */
  readonly position?: number | bigint | null;
}

export interface EncodingOptions extends WaitOptions {
  /** Gives text instead of bytes. */
  readonly encoding?: BufferEncoding | null | undefined;
}

export type EncodingGiven = BufferEncoding | EncodingOptions | null;

export interface WriteStreamOptions extends WaitOptions {
  /** Where in the file the writing begins. Default: the file's own position. */
  readonly start?: number;
}

/** Text is written as UTF-8. */
export type Writing = string | Uint8Array | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/** Made by `TargetFiles.open`; its owner closes it, best by `await using`. */
export class FileHandle implements AsyncDisposable {
  /** The agent's descriptor. */
  readonly fd: RemoteFd;
  readonly #requests: FileRequests;
  /** Appending ignores positions. */
  readonly #appends: boolean;
  #closing: Promise<void> | null = null;

  constructor(requests: FileRequests, fd: RemoteFd, { appends = false }: { readonly appends?: boolean } = {}) {
    this.#requests = requests;
    this.fd = fd;
    this.#appends = appends;
  }

  /** Fills a part of `buffer`; `bytesRead` may be less than asked for, and is 0 at the end. */
  async read<T extends Uint8Array>(buffer: T, options: TransferOptions = {}): Promise<{ bytesRead: number; buffer: T }> {
    const { position = null, signal } = options;
    const part = partOf(buffer, options);
    const bytes = await (position === null
      ? this.#requests.read(this.fd, part.length, { signal })
      : this.#requests.readLimited(this.fd, part.length, position, { signal }));
    if (bytes.length > part.length) throw new Error(`the agent sent ${bytes.length} bytes where ${part.length} were asked for`);
    part.set(bytes);
    return { bytesRead: bytes.length, buffer };
  }

  /** One write; `bytesWritten` may be less than asked for. `data` must not change meanwhile. */
  async write<T extends Uint8Array | string>(data: T, options: TransferOptions = {}): Promise<{ bytesWritten: number; buffer: T }> {
    const { position = null, signal } = options;
    const part = partOf(bytesOf(data), options);
    const written = await (position === null
      ? this.#requests.write(this.fd, part, { signal })
      : this.#requests.writeLimited(this.fd, part, position, { signal }));
    return { bytesWritten: Number(written), buffer: data };
  }

  /** The whole file from its beginning; the rest, of what has no positions. */
  readFile(options?: EncodingOptions & { readonly encoding?: null }): Promise<Buffer>;
  readFile(options: BufferEncoding | (EncodingOptions & { readonly encoding: BufferEncoding })): Promise<string>;
  readFile(options?: EncodingGiven): Promise<Buffer | string>;
  async readFile(options: EncodingGiven = null): Promise<Buffer | string> {
    const { encoding, signal } = typeof options === "string" ? { encoding: options } : (options ?? {});
    const pieces: Uint8Array[] = [];
    for await (const piece of readPieces(this.#requests, this.fd, { signal })) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    return encoding == null ? bytes : bytes.toString(encoding);
  }

  /** Writes all of `data` from the beginning, or at the end of a file that was opened for appending. Does not cut what is longer. */
  async writeFile(data: Writing, { signal }: WaitOptions = {}): Promise<void> {
    const writer = this.writer(0, { signal });
    if (typeof data === "string" || data instanceof Uint8Array) await writer.write(bytesOf(data));
    else for await (const piece of data) await writer.write(bytesOf(piece));
    await writer.finish();
  }

  async appendFile(data: Writing, options: WaitOptions = {}): Promise<void> {
    await this.writeFile(data, options);
  }

  /** The file in pieces; several are asked for ahead of the reader. */
  pieces(options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return readPieces(this.#requests, this.fd, options);
  }

  /** Does not close the file. */
  createReadStream(options: ReadOptions = {}): Readable {
    return Readable.from(this.pieces(options), { objectMode: false });
  }

  /** Written bytes must not change until the stream has finished. Does not close the file. */
  createWriteStream({ start, signal }: WriteStreamOptions = {}): Writable {
    return writableOf(
      () => Promise.resolve(this.writer(start ?? null, { signal })),
      () => Promise.resolve(),
    );
  }

  /** Writes with several requests under way, from `start` on, or at the file's own position for null. */
  writer(start: number | null, wait: WaitOptions = {}): PieceWriter {
    return new PieceWriter(this.#requests, this.fd, this.#appends ? null : start, wait);
  }

  async stat({ signal }: WaitOptions = {}): Promise<Stats> {
    return new Stats(await this.#requests.stat(this.fd, { signal }));
  }

  async truncate(length = 0, wait: WaitOptions = {}): Promise<void> {
    await this.#requests.truncate(this.fd, length, wait);
  }

  async chmod(mode: number, wait: WaitOptions = {}): Promise<void> {
    await this.#requests.chmod(this.fd, mode, wait);
  }

  async chown(uid: number, gid: number, wait: WaitOptions = {}): Promise<void> {
    await this.#requests.chown(this.fd, uid, gid, wait);
  }

  /** A bigint is nanoseconds since 1970, a number seconds, as in Node. */
  async utimes(atime: Date | number | bigint, mtime: Date | number | bigint, wait: WaitOptions = {}): Promise<void> {
    await this.#requests.setTimes(this.fd, [timespecOf(atime), timespecOf(mtime)], wait);
  }

  /** Gives the descriptor back; not answered, so it does not fail. A second call does nothing. */
  close(): Promise<void> {
    return (this.#closing ??= this.#requests.close(this.fd).catch(ignoreSessionEnd));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? Buffer.from(data) : data;
}

function partOf(bytes: Uint8Array, { offset = 0, length = bytes.length - offset }: TransferOptions): Uint8Array {
  if (offset < 0 || length < 0 || offset + length > bytes.length) {
    throw new RangeError(`${length} bytes from ${offset} on are not in a buffer of ${bytes.length}`);
  }
  return bytes.subarray(offset, offset + length);
}

const NS_PER_S = 1_000_000_000n;

function timespecOf(time: Date | number | bigint): { tvSec: number; tvNsec: number } {
  const ns = nanosecondsOf(time);
  const nsOfSecond = ((ns % NS_PER_S) + NS_PER_S) % NS_PER_S;
  return { tvSec: Number((ns - nsOfSecond) / NS_PER_S), tvNsec: Number(nsOfSecond) };
}

function nanosecondsOf(time: Date | number | bigint): bigint {
  if (typeof time === "bigint") return time;
  return BigInt(Math.round(typeof time === "number" ? time * 1e6 : time.getTime() * 1e3)) * 1000n;
}
