// Takes the content coding (RFC 9110, section 8.4) off a body, so that filters can look at it. What is passed on or handed to clients stays as it is.
// Loaded with the first body that has one, since most have none and `node:zlib` is not small.

import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { promisify } from "node:util";

/** Most codings one upon another. */
const MAX_CODINGS = 2;

interface Limit {
  readonly maxOutputLength: number;
}
type Decode = (bytes: Uint8Array, limit: Limit) => Promise<Uint8Array>;

const decodeGzip: Decode = promisify(gunzip);
const decodeZlib: Decode = promisify(inflate);
const decodeBare: Decode = promisify(inflateRaw);
const decodeBrotli: Decode = promisify(brotliDecompress);

/** Many send the bare format where the zlib format is meant. */
const decodeDeflate: Decode = (bytes, limit) => decodeZlib(bytes, limit).catch(() => decodeBare(bytes, limit));

const DECODERS: ReadonlyMap<string, Decode> = new Map([
  ["gzip", decodeGzip],
  ["x-gzip", decodeGzip],
  ["deflate", decodeDeflate],
  ["br", decodeBrotli],
]);

/** Null when it cannot be decoded, or is larger than `maxBytes` then. Never rejects. */
export async function decodeBody(body: Uint8Array, codings: readonly string[], maxBytes: number): Promise<Uint8Array | null> {
  if (codings.length > MAX_CODINGS) return null;
  let bytes = body;
  for (const coding of codings.toReversed()) {
    const decode = DECODERS.get(coding);
    if (decode === undefined) return null;
    try {
      bytes = await decode(bytes, { maxOutputLength: maxBytes });
    } catch {
      // Not what it says it is, or too large: no filter matches it.
      return null;
    }
  }
  return bytes;
}
