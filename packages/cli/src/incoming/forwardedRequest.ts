// What is sent to a server of a request: its target and its headers. Those that concern one connection only (RFC 9110, 7.6.1) stay behind.

import { headersFromRaw, headerText, type IncomingRequest, rawFromHeaders } from "@understudy/client";
import type { HttpHeaders } from "@understudy/protocol";
import type { Readable, Duplex } from "node:stream";
import { endToEndHeaders } from "../endToEndHeaders.ts";
import type { SendableBody } from "./sendableBody.ts";

/** A request to be sent. */
export interface Sending {
  readonly request: IncomingRequest;
  readonly body: SendableBody;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** A server's answer, its body still to come. */
export interface Answer {
  readonly status: number;
  /** Such as `HTTP/1.1`. */
  readonly version: string;
  readonly headers: HttpHeaders;
  readonly body: Readable;
  readonly trailers: () => HttpHeaders | null;
  /** With status 101: the connection, which is the receiver's to close. */
  readonly upgraded: Duplex | null;
}

export interface RequestTarget {
  /** One character a byte. */
  readonly path: string;
  /** The host that the peer asked for; null where it named none. */
  readonly authority: string | null;
}

/** @throws Error for a target that no server can be sent. */
export function targetOf({ uri, method, headers }: IncomingRequest): RequestTarget {
  if (method === "CONNECT") throw new Error("CONNECT is not forwarded");
  const absolute = /^[^/?#]*:\/\/([^/?#]*)(.*)$/su.exec(uri);
  const origin = absolute === null ? uri : absolute[2] === "" ? "/" : (absolute[2] ?? "");
  const path = Buffer.from(origin.startsWith("?") ? `/${origin}` : origin).toString("latin1");
  return { path, authority: headerText(headers, "host") ?? absolute?.[1] ?? null };
}

/** The headers that a message has from end to end. */
export function withoutHopByHop(headers: HttpHeaders): HttpHeaders {
  return headersFromRaw(endToEndHeaders(rawFromHeaders(headers)));
}

/** The protocols that a request asks to go on with; null when it does not. */
export function wantedUpgrade({ headers, version }: IncomingRequest): string | null {
  if (version !== "HTTP/1.1" || !/\bupgrade\b/i.test(headerText(headers, "connection") ?? "")) return null;
  return headerText(headers, "upgrade");
}

/** Whether the receiver wants trailers of the response. */
export function wantsTrailers({ headers }: IncomingRequest): boolean {
  return /\btrailers\b/i.test(headerText(headers, "te") ?? "");
}
