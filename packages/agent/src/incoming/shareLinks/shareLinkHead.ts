// What a share link does to an HTTP/1 request, in bytes.

import { allInClass, asBuffer, latin1, tokenEquals, VISIBLE } from "../http/byteClasses.ts";
import type { RequestHead } from "../http/head.ts";
import { type HeaderEdit, headerAddition, headerEdit, rewriteHead } from "../http/rewriteHead.ts";
import { SHARE_NAME, shareVerdict } from "./sharedRequest.ts";
import type { ShareKeys } from "./shareKeys.ts";

/** A request that goes on. */
export interface SharedRequest {
  readonly kind: "shared";
  /** Null where its head stays as it is. */
  readonly head: RewrittenHead | null;
  /** One more header of its response. */
  readonly edit: HeaderEdit | null;
}

/** The head by which a request's own is replaced. */
export class RewrittenHead {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** A request for a session that is over. */
export class EndedLink {
  readonly kind = "ended";
  /** Path and query without the key. */
  readonly continueTo: string;

  constructor(continueTo: string) {
    this.continueTo = continueTo;
  }
}

const NEEDLE = Buffer.from(SHARE_NAME);

/** Null: share links do not concern the request whose head was scanned in `bytes`. */
export function shareLinkOf(bytes: Uint8Array, head: RequestHead, keys: ShareKeys): SharedRequest | EndedLink | null {
  const { start, length } = head;
  // Nearly always the end of it: searching is much quicker than looking at headers.
  if (!asBuffer(bytes.subarray(start, start + length)).includes(NEEDLE)) return null;
  const baggage = valuesOf(bytes, head, "baggage");
  const found = shareVerdict(
    {
      target: latin1(bytes, start + head.targetStart, start + head.targetEnd),
      cookies: valuesOf(bytes, head, "cookie"),
      baggage,
    },
    (key) => keys.isLive(key),
  );
  if (found === null) return null;
  if (found.kind === "ended") return new EndedLink(originForm(found.continueTo));
  const edit = found.setCookie === null ? null : headerAddition("set-cookie", found.setCookie);
  const isRewritten = found.target !== null || found.baggage !== null;
  return { kind: "shared", head: isRewritten ? new RewrittenHead(rewritten(bytes, head, found.target, found.baggage)) : null, edit };
}

function rewritten(bytes: Uint8Array, head: RequestHead, target: string | null, baggage: string | null): Uint8Array {
  const edits = baggage === null ? [] : [headerEdit("baggage", baggage)];
  const edited = rewriteHead(bytes, head, edits);
  // The request line comes first and is as it was.
  return target === null
    ? edited
    : Buffer.concat([edited.subarray(0, head.targetStart), Buffer.from(target, "latin1"), edited.subarray(head.targetEnd)]);
}

/** Values of all headers of a name that are visible ASCII. */
function valuesOf(bytes: Uint8Array, { fields, start }: RequestHead, lowerName: string): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i < fields.count; i++) {
    if (!tokenEquals(bytes, start + fields.nameStart(i), start + fields.nameEnd(i), lowerName)) continue;
    const [from, to] = [start + fields.valueStart(i), start + fields.valueEnd(i)];
    if (allInClass(bytes, from, to, VISIBLE)) values.push(latin1(bytes, from, to));
  }
  return values;
}

function originForm(target: string): string {
  return target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "");
}
