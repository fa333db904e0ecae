// What a list of fields means as the head of a message, and whether it is one (RFC 9113 §8). A malformed one is refused: two servers could read it in two ways.

import { FIELD_VALUE, TOKEN, byteClasses } from "../http/byteClasses.ts";
import { ErrorCode, StreamError } from "./errors.ts";
import type { Field } from "./fields.ts";

export interface RequestHead {
  readonly method: string;
  readonly scheme: string | null;
  /** Null where the peer named none, or named it in `host` only. */
  readonly authority: string | null;
  /** Null with a plain CONNECT. */
  readonly path: string | null;
  /** What a CONNECT asks for besides a connection (RFC 8441). */
  readonly protocol: string | null;
  /** Fields that are no pseudo headers. */
  readonly headers: readonly Field[];
  readonly contentLength: number | null;
}

const REQUEST_PSEUDO = new Set([":method", ":scheme", ":authority", ":path", ":protocol"]);
/** Fields about the connection, which HTTP/2 says in other ways. */
export const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** @throws StreamError */
export function readRequestHead(fields: readonly Field[]): RequestHead {
  const pseudo = new Map<string, string>();
  const split = pseudoCount(fields);
  for (let i = 0; i < split; i++) {
    const [name, value] = fields[i]!;
    if (!REQUEST_PSEUDO.has(name) || pseudo.has(name)) throw malformed(`pseudo header ${name}`);
    checkValue(name, value);
    pseudo.set(name, value);
  }
  const headers = fields.slice(split);
  const contentLength = checkRegular(headers);
  const method = pseudo.get(":method");
  if (method === undefined || !isToken(method)) throw malformed("no method");
  const scheme = pseudo.get(":scheme") ?? null;
  const authority = pseudo.get(":authority") ?? null;
  const path = pseudo.get(":path") ?? null;
  const protocol = pseudo.get(":protocol") ?? null;
  if (protocol !== null && method !== "CONNECT") throw malformed(":protocol without CONNECT");
  if (method === "CONNECT" && protocol === null) {
    if (scheme !== null || path !== null || authority === null) throw malformed("CONNECT with other pseudo headers than :authority");
  } else if (scheme === null || path === null || path === "") {
    throw malformed("no :scheme or :path");
  }
  return { method, scheme, authority, path, protocol, headers, contentLength };
}

/** The status of a response's head. @throws StreamError */
export function readStatus(fields: readonly Field[]): number {
  const first = fields[0];
  if (first === undefined || first[0] !== ":status" || !/^[1-9]\d\d$/.test(first[1]) || pseudoCount(fields) !== 1)
    throw malformed("no :status");
  checkRegular(fields.slice(1));
  return Number(first[1]);
}

/** @throws StreamError */
export function checkTrailers(fields: readonly Field[]): void {
  checkRegular(fields);
}

/** Checks fields of which none may be a pseudo header. Returns their `content-length`. */
function checkRegular(fields: readonly Field[]): number | null {
  let contentLength: number | null = null;
  for (const [name, value] of fields) {
    if (!isLowerToken(name)) throw malformed(`header name ${JSON.stringify(name.slice(0, 100))}`);
    checkValue(name, value);
    if (CONNECTION_SPECIFIC.has(name)) throw malformed(`header ${name}`);
    if (name === "te" && value.toLowerCase() !== "trailers") throw malformed("te other than trailers");
    if (name !== "content-length") continue;
    if (!/^\d{1,15}$/.test(value) || (contentLength !== null && contentLength !== Number(value))) throw malformed("content-length");
    contentLength = Number(value);
  }
  return contentLength;
}

/** How many pseudo headers come first. */
function pseudoCount(fields: readonly Field[]): number {
  let count = 0;
  while (count < fields.length && fields[count]![0].startsWith(":")) count++;
  return count;
}

/** No control characters but the tab: they could end a field elsewhere, and cannot be told to clients. */
function checkValue(name: string, value: string): void {
  for (let i = 0; i < value.length; i++) if ((byteClasses[value.charCodeAt(i)]! & FIELD_VALUE) === 0) throw malformed(`value of ${name}`);
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((byteClasses[text.charCodeAt(i)]! & TOKEN) === 0) return false;
  return text.length > 0;
}

function isLowerToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((byteClasses[code]! & TOKEN) === 0 || (code >= 0x41 && code <= 0x5a)) return false;
  }
  return text.length > 0;
}

function malformed(what: string): StreamError {
  return new StreamError(ErrorCode.protocolError, `malformed message: ${what}`);
}
