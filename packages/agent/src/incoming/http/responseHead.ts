// Writes the head of a client's response as HTTP/1 bytes for the peer, and decides how its body is framed. Whatever
// could break out of the head (a line end in a value, a colon in a name) makes the response invalid. It writes no
// bodies; see `responseBody.ts`.

import { reasonPhrase } from "./reasonPhrases.ts";
import type { HttpHeaders } from "@understudy/protocol";
import { FIELD_VALUE, TOKEN, allInClass, byteClasses, decimal, latin1 } from "./byteClasses.ts";
import type { HeaderEdit } from "./rewriteHead.ts";

/** A response that cannot be sent as HTTP. The message says why; it is for the client that made it. */
export class InvalidResponse extends Error {}

/** What is known of the body when the head is written. */
export type ResponseBody =
  | { readonly kind: "complete"; readonly bytes: number; readonly hasTrailers: boolean }
  | { readonly kind: "streamed" };

export interface ResponseParts {
  /** 100 … 999. */
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: ResponseBody;
}

/** What the peer and its request ask of a response. */
export interface ResponseContext {
  /** Minor version of the request; the answer uses the same. */
  readonly minorVersion: 0 | 1;
  readonly isHead: boolean;
  readonly isConnect: boolean;
  /** Whether the request leaves the connection open. */
  readonly keepAlive: boolean;
  /** Whether the request had `te: trailers`. */
  readonly acceptsTrailers: boolean;
  /** Value of `date` for responses without one. */
  readonly date: string;
  /** Headers to set whatever the client sent: replaced in place, or added in this order. */
  readonly edits: readonly HeaderEdit[];
}

/** How the bytes after the head must be written. */
export type ResponseFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked"; readonly trailerNames: ReadonlySet<string> }
  | { readonly kind: "untilClose" };

export interface EncodedHead {
  readonly bytes: Uint8Array;
  readonly framing: ResponseFraming;
  /** Whether the connection must be closed after the body. */
  readonly closes: boolean;
  /** 101: what follows is the upgraded stream. */
  readonly isSwitch: boolean;
}

/** Headers whose meaning belongs to the connection to the peer, which only this side knows. */
const REPLACED = new Set(["transfer-encoding", "keep-alive", "proxy-connection"]);
const NO_TRAILERS: ReadonlySet<string> = new Set();

/** @throws InvalidResponse when the response cannot be sent safely; nothing was written then. */
export function encodeResponseHead(response: ResponseParts, context: ResponseContext): EncodedHead {
  const { status, headers } = response;
  if (!Number.isInteger(status) || status < 100 || status > 999) throw new InvalidResponse(`invalid status ${status}`);
  const isSwitch = status === 101;
  if (status < 200 && !isSwitch) throw new InvalidResponse(`status ${status} cannot end a request`);
  if (isSwitch && context.minorVersion === 0) throw new InvalidResponse("upgrade of an HTTP/1.0 request");

  const facts = readFacts(headers);
  const framing = chooseFraming(response, context, facts);
  const isTunnel = context.isConnect && status >= 200 && status < 300;
  const closes = !isSwitch && (!context.keepAlive || facts.hasClose || framing.kind === "untilClose" || isTunnel);
  // 1xx, 204 and answers to CONNECT have no length at all (RFC 9110 §8.6).
  const keepsLength = !isSwitch && status !== 204 && !isTunnel && framing.kind !== "chunked";

  let text = `HTTP/1.${context.minorVersion} ${status} ${reasonPhrase(status)}\r\n`;
  const edits = context.edits;
  let met = 0;
  for (const [name, values] of headers) {
    if (!isToken(name)) throw new InvalidResponse("invalid header name");
    const lowerName = name.toLowerCase();
    if (REPLACED.has(lowerName) || (lowerName === "content-length" && !keepsLength)) continue;
    // The connection's own end is written below; other options (upgrade) stay.
    if (lowerName === "connection" && (closes || facts.hasOnlyKeepAlive)) continue;
    const edited = edits.length === 0 ? -1 : edits.findIndex((edit) => edit.replaces === lowerName);
    if (edited >= 0) {
      met |= 1 << edited;
      text += `${lowerName}: ${bytesText(edits[edited]!.value)}\r\n`;
      continue;
    }
    if (lowerName === "content-length") {
      text += `content-length: ${facts.contentLength}\r\n`;
      continue;
    }
    for (const value of values) {
      if (!allInClass(value, 0, value.length, FIELD_VALUE)) throw new InvalidResponse(`invalid value of ${lowerName}`);
      text += `${lowerName}: ${bytesText(value)}\r\n`;
    }
  }
  for (let i = 0; i < edits.length; i++) {
    if ((met & (1 << i)) === 0) text += bytesText(edits[i]!.line);
  }
  if (closes) text += "connection: close\r\n";
  else if (context.minorVersion === 0 && !isSwitch) text += "connection: keep-alive\r\n";
  if (framing.kind === "chunked") text += "transfer-encoding: chunked\r\n";
  else if (framing.kind === "length" && facts.contentLength < 0) text += `content-length: ${framing.length}\r\n`;
  if (!facts.hasDate) text += `date: ${context.date}\r\n`;
  return { bytes: Buffer.from(`${text}\r\n`, "latin1"), framing, closes, isSwitch };
}

interface Facts {
  /** -1 without. */
  contentLength: number;
  hasClose: boolean;
  /** There is a `connection` header and it says nothing but keep-alive. */
  hasOnlyKeepAlive: boolean;
  hasDate: boolean;
  trailerNames: string;
}

function readFacts(headers: HttpHeaders): Facts {
  const facts: Facts = { contentLength: -1, hasClose: false, hasOnlyKeepAlive: false, hasDate: false, trailerNames: "" };
  for (const [name, values] of headers) {
    switch (name.toLowerCase()) {
      case "content-length":
        for (const value of values) {
          const length = decimal(value, 0, value.length);
          if (length < 0) throw new InvalidResponse("malformed content-length");
          if (facts.contentLength >= 0 && facts.contentLength !== length) throw new InvalidResponse("differing content-length headers");
          facts.contentLength = length;
        }
        break;
      case "connection": {
        const options = values.flatMap((value) => bytesText(value).toLowerCase().split(",")).map((it) => it.trim());
        facts.hasClose ||= options.includes("close");
        facts.hasOnlyKeepAlive = options.every((option) => option === "keep-alive" || option === "");
        break;
      }
      case "date":
        facts.hasDate ||= values.length > 0;
        break;
      case "trailer":
        facts.trailerNames = values.map(bytesText).join(",").toLowerCase();
        break;
      default:
    }
  }
  return facts;
}

function chooseFraming(response: ResponseParts, context: ResponseContext, facts: Facts): ResponseFraming {
  const { status, body } = response;
  const isTunnel = context.isConnect && status >= 200 && status < 300;
  if (context.isHead || status < 200 || status === 204 || status === 304 || isTunnel) return { kind: "none" };
  if (facts.contentLength >= 0) {
    if (body.kind === "complete" && body.bytes !== facts.contentLength) {
      throw new InvalidResponse(`content-length ${facts.contentLength} with a body of ${body.bytes} bytes`);
    }
    return { kind: "length", length: facts.contentLength };
  }
  const trailerNames = context.acceptsTrailers && facts.trailerNames !== "" ? namesIn(facts.trailerNames) : NO_TRAILERS;
  if (body.kind === "complete") {
    const needsChunks = body.hasTrailers && trailerNames.size > 0 && context.minorVersion === 1;
    if (!needsChunks) return { kind: "length", length: body.bytes };
  }
  return context.minorVersion === 1 ? { kind: "chunked", trailerNames } : { kind: "untilClose" };
}

function namesIn(list: string): ReadonlySet<string> {
  return new Set(list.split(",").map((name) => name.trim()));
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f || (byteClasses[code]! & TOKEN) === 0) return false;
  }
  return text.length > 0;
}

function bytesText(bytes: Uint8Array): string {
  return latin1(bytes, 0, bytes.length);
}
