// What a share link does to an HTTP/2 request.

import { type HeaderEdit, headerAddition } from "../http/rewriteHead.ts";
import type { Field } from "../http2/fields.ts";
import type { RequestHead } from "../http2/messageHead.ts";
import type { ShareKeys } from "./shareKeys.ts";
import { SHARE_NAME, shareVerdict } from "./sharedRequest.ts";

/** A request of which something changes, in both forms in which it is known. */
export interface SharedFields {
  readonly kind: "shared";
  readonly head: RequestHead;
  readonly fields: readonly Field[];
  /** One more header of its response. */
  readonly edit: HeaderEdit | null;
}

/** Null: share links do not concern the request. */
export function shareLinkIn(
  head: RequestHead,
  fields: readonly Field[],
  keys: ShareKeys,
): SharedFields | { readonly kind: "ended"; readonly continueTo: string } | null {
  if (head.path === null || !mayConcern(head, head.path)) return null;
  const valuesOf = (name: string): readonly string[] => head.headers.filter((field) => field[0] === name).map(([, value]) => value);
  const input = { target: head.path, cookies: valuesOf("cookie"), baggage: valuesOf("baggage").filter(isVisible) };
  const found = shareVerdict(input, (key) => keys.isLive(key));
  if (found === null || found.kind === "ended") return found;
  const { target, baggage } = found;
  const edited = (list: readonly Field[]): readonly Field[] => {
    const others = list.map((field): Field => (field[0] === ":path" && target !== null ? [":path", target] : field));
    return baggage === null ? others : [...others.filter(([name]) => name !== "baggage"), ["baggage", baggage]];
  };
  return {
    kind: "shared",
    head: { ...head, path: target ?? head.path, headers: edited(head.headers) },
    fields: edited(fields),
    edit: found.setCookie === null ? null : headerAddition("set-cookie", found.setCookie),
  };
}

/** Nearly always false, and quick to find out. */
function mayConcern({ headers }: RequestHead, path: string): boolean {
  return path.includes(SHARE_NAME) || headers.some(([name, value]) => name === "cookie" && value.includes(SHARE_NAME));
}

function isVisible(value: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(value);
}
