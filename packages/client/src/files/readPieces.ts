// An open file's contents in order, with several reads under way at once, so that the way to the agent and back is waited for once and not for
// every piece.

import type { FileRequests, RemoteFd } from "./fileRequests.ts";
import { FileError } from "./fileError.ts";
import type { WaitOptions } from "./untilAborted.ts";

export interface ReadOptions extends WaitOptions {
  /** First byte. Default: 0 for files that have positions. */
  readonly start?: number;
  /** Last byte, included, as in Node's `createReadStream`. Default: the file's end. */
  readonly end?: number;
  /** Most bytes of one piece. Default 256 KiB; agents give at most 1 MiB. */
  readonly highWaterMark?: number;
}

const DEFAULT_PIECE_BYTES = 256 * 1024;
/** Reads under way, at most. What they ask for is all that is in memory. */
const DEPTH_MAX = 4;

interface Read {
  readonly at: number;
  readonly wanted: number;
  readonly answer: Promise<Uint8Array>;
}

/**
 * Reads until the end, in pieces that are the receiver's to keep. More reads are under way the longer the file proves to be. What has no
 * positions, such as a pipe, is read one piece at a time.
 */
export async function* readPieces(
  requests: FileRequests,
  fd: RemoteFd,
  options: ReadOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { start = 0, end = Number.MAX_SAFE_INTEGER, highWaterMark = DEFAULT_PIECE_BYTES, signal } = options;
  const underWay: Read[] = [];
  let depth = 1;
  let next = start;
  for (;;) {
    while (underWay.length < depth) {
      const wanted = Math.min(highWaterMark, end - next + 1);
      if (wanted <= 0) break;
      underWay.push(startRead(requests, fd, next, wanted, signal));
      next += wanted;
    }
    const read = underWay.shift();
    if (read === undefined) return;
    let bytes: Uint8Array;
    try {
      bytes = await read.answer;
    } catch (error) {
      if (read.at !== start || !(error instanceof FileError) || error.code !== "ESPIPE") throw error;
      yield* readInTurn(requests, fd, options);
      return;
    }
    if (bytes.length === 0) return;
    if (bytes.length < read.wanted) {
      // What was asked for beyond has other bytes than those that follow.
      underWay.length = 0;
      next = read.at + bytes.length;
      depth = 1;
    } else {
      depth = Math.min(depth * 2, DEPTH_MAX);
    }
    yield bytes;
  }
}

function startRead(requests: FileRequests, fd: RemoteFd, at: number, wanted: number, signal: AbortSignal | undefined): Read {
  const answer = requests.readLimited(fd, wanted, at, { signal });
  // It is awaited in its turn, unless an earlier one ends the reading.
  answer.catch(() => undefined);
  return { at, wanted, answer };
}

async function* readInTurn(
  requests: FileRequests,
  fd: RemoteFd,
  { start = 0, end = Number.MAX_SAFE_INTEGER, highWaterMark = DEFAULT_PIECE_BYTES, signal }: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let left = end - start + 1; left > 0;) {
    const bytes = await requests.read(fd, Math.min(highWaterMark, left), { signal });
    if (bytes.length === 0) return;
    left -= bytes.length;
    yield bytes;
  }
}
