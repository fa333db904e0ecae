// A stream into a file.

import { Writable } from "node:stream";
import { callbackify } from "node:util";
import type { PieceWriter } from "./pieceWriter.ts";

/** `open` is called first; `close` last, also when the stream is destroyed. Written bytes must not change until the stream has finished. */
export function writableOf(open: () => Promise<PieceWriter>, close: () => Promise<void>): Writable {
  let writer: PieceWriter | null = null;
  const construct = async (): Promise<void> => {
    writer = await open();
  };
  return new Writable({
    construct: callbackify(construct),
    write: (chunk: Uint8Array, _encoding, callback) => callbackify(async () => await writer?.write(chunk))(callback),
    final: callbackify(async () => await writer?.finish()),
    destroy: (error, callback) => callbackify(close)((failure) => callback(error ?? failure)),
  });
}
