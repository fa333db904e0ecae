// Turns a scanned request head into what clients get of it: method, target, version and headers. The body is not its
// business, nor whether the request should be sent.

import type { HttpHeaders } from "@understudy/protocol";
import { asBuffer, latin1 } from "./byteClasses.ts";
import type { RequestHead } from "./head.ts";
import { groupedHeaders } from "./headers.ts";

/** The wire's `InternalHttpRequest` without its target and body. */
export interface RequestParts {
  readonly method: string;
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  readonly headers: HttpHeaders;
}

/** The header values are views of `bytes`, which must not change. The head must be complete. */
export function requestParts(bytes: Uint8Array, head: RequestHead): RequestParts {
  const { start } = head;
  return {
    method: latin1(bytes, start + head.methodStart, start + head.methodEnd),
    version: head.minorVersion === 0 ? "HTTP/1.0" : "HTTP/1.1",
    headers: groupedHeaders(bytes, start, head.length, head.fields),
  };
}

/** The request target as the peer wrote it: `/path?query`, or an absolute form if that was sent. The scanner let only valid UTF-8 pass. */
export function requestTargetText(bytes: Uint8Array, head: RequestHead): string {
  return asBuffer(bytes).toString("utf8", head.start + head.targetStart, head.start + head.targetEnd);
}
