// Stolen and mirrored requests in the form of the web platform: `Request` in, `Response` out. What these forms cannot say is named where it is lost.

import { Readable } from "node:stream";
import type { HttpHeaders } from "@understudy/protocol";
import { headersFromRaw, headerText, type IncomingRequest, rawFromHeaders, type StolenResponse } from "../incoming/httpMessages.ts";

/** Answers a request. `incoming` is the same request with what `Request` has no place for: peer, port, version, trailers. */
export type WebHandler = (request: Request, incoming: IncomingRequest) => Response | Promise<Response>;

/**
 * For `onRequest` of `Session.steal`. Bodies go through as streams, both ways; the request's signal aborts when nobody waits for the response any more.
 * A request of a method that `Request` refuses (CONNECT, TRACE, TRACK) is answered with 501. A handler that throws is answered with 502 by the session.
 */
export function webHandler(handler: WebHandler): (incoming: IncomingRequest) => Promise<StolenResponse> {
  return async (incoming) => {
    if (unsupported.has(incoming.method.toUpperCase())) return { status: 501, headers: headersFromRaw(["content-length", "0"]) };
    return stolenResponse(await handler(webRequest(incoming), incoming), incoming.method);
  };
}

/**
 * The request as `Request`: its URL is absolute, by the `Host` header or the address that the peer had connected to. `GET` and `HEAD` have no body there, as the platform wants it.
 * @throws TypeError for methods that `Request` refuses, and header values it cannot have.
 */
export function webRequest(incoming: IncomingRequest): Request {
  const { method, body, signal } = incoming;
  const mayHaveBody = method !== "GET" && method !== "HEAD" && !body.isKnownEmpty;
  // Nobody will read it: it must not wait in the receive budget.
  if (!mayHaveBody) body.resume();
  return new Request(urlOf(incoming), {
    method,
    headers: pairs(incoming.headers),
    signal,
    ...(mayHaveBody ? { body: Readable.toWeb(body) as ReadableStream, duplex: "half" } : {}),
  });
}

const unsupported = new Set(["CONNECT", "TRACE", "TRACK"]);

function urlOf({ uri, headers, destination, port, transport }: IncomingRequest): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) return uri;
  const host =
    headerText(headers, "host") ?? (destination === null ? `localhost:${port}` : `${bracketed(destination.ip)}:${destination.port}`);
  // `OPTIONS *` is about the server as a whole.
  const path = uri.startsWith("/") ? uri : `/${uri === "*" ? "" : uri}`;
  return `${transport.kind === "tls" ? "https" : "http"}://${host}${path}`;
}

function bracketed(ip: string): string {
  return ip.includes(":") ? `[${ip}]` : ip;
}

/** Names of HTTP/2's own (`:authority`) are not headers. */
function pairs(headers: HttpHeaders): [string, string][] {
  const raw = rawFromHeaders(headers.filter(([name]) => !name.startsWith(":")));
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? "", raw[2 * i + 1] ?? ""]);
}

function stolenResponse(response: Response, method: string): StolenResponse {
  // `Headers` joins what it can; cookies alone stay apart.
  const raw = [...response.headers].flat();
  if (response.body === null || method === "HEAD") {
    void response.body?.cancel();
    const hasNoBody = response.status === 204 || response.status === 304 || method === "HEAD";
    return {
      status: response.status,
      headers: headersFromRaw(hasNoBody || response.headers.has("content-length") ? raw : [...raw, "content-length", "0"]),
    };
  }
  return { status: response.status, headers: headersFromRaw(raw), body: response.body };
}
