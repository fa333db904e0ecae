// What a request asks of its response, read off its head.

import { latin1 } from "./byteClasses.ts";
import type { RequestHead } from "./head.ts";
import type { ResponseContext } from "./responseHead.ts";
import type { HeaderEdit } from "./rewriteHead.ts";

/** `bytes` are those that `head` was scanned in. */
export function responseContext(bytes: Uint8Array, head: RequestHead, date: string, edits: readonly HeaderEdit[]): ResponseContext {
  const { minorVersion, isHead, isConnect, keepAlive, fields, start } = head;
  const te = fields.find(bytes, start, "te");
  const acceptsTrailers = te >= 0 && /\btrailers\b/i.test(latin1(bytes, start + fields.valueStart(te), start + fields.valueEnd(te)));
  return { minorVersion, isHead, isConnect, keepAlive, acceptsTrailers, date, edits };
}
