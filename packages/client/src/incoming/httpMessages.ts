// Requests and responses as handlers see them, and their headers. What is on the wire is in packages/protocol.

import type { Readable } from "node:stream";
import type { HttpHeaders, IncomingTrafficTransportType, SocketAddr } from "@understudy/protocol";
import type { ConnectionStream } from "../connectionStream.ts";

/** A stolen or mirrored request. Its body must be read or the request be answered: unread bodies count against the receive budget. */
export interface IncomingRequest {
  readonly method: string;
  /** The request target as it was received: origin form as a rule. */
  readonly uri: string;
  /** `HTTP/1.1` and the like: of the connection between the peer and the agent. */
  readonly version: string;
  readonly headers: HttpHeaders;
  readonly body: RequestBody;
  /** The subscribed port. */
  readonly port: number;
  /** The peer; null from agents before 1.19.0. */
  readonly source: SocketAddr | null;
  /** What the peer had connected to; null from agents before 1.19.0. */
  readonly destination: SocketAddr | null;
  /** Whether the peer used TLS; the request itself is always plain. */
  readonly transport: IncomingTrafficTransportType;
  /** Aborts when nobody waits for the response any more: the peer went away, or the session ended. Once the response and the body are complete it does not abort. */
  readonly signal: AbortSignal;
}

/** The bytes of a request's body. It is destroyed with an error when the rest will not come. */
export interface RequestBody extends Readable {
  /** What followed the body; null until it has ended, and when nothing did. */
  readonly trailers: HttpHeaders | null;
  /** True when the body had already ended, empty, when the request came. */
  readonly isKnownEmpty: boolean;
}

/** The answer to a stolen request. */
export interface StolenResponse {
  /** 100 to 999; 101 together with `onUpgrade`. */
  readonly status: number;
  /** Default `HTTP/1.1`. The agent writes the version of the peer's connection anyway. */
  readonly version?: string;
  /** Names in lower case, each once, with all its values. */
  readonly headers?: HttpHeaders;
  /** Bytes are sent in one message, pieces of an iterable as they come. An iterable that throws breaks the response off. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | null;
  /** Sent after the body; the function is called when the body has ended. */
  readonly trailers?: HttpHeaders | (() => HttpHeaders | null);
  /**
   * With status 101: takes over the peer's connection once the response has left, and owns the stream. It is not called when the peer
   * has gone by then. The request's `signal` does not abort any more from there on.
   */
  readonly onUpgrade?: (stream: ConnectionStream) => void;
}

/** Headers from names and values in turn, as `rawHeaders` of `node:http` has them: one string a byte (latin1). */
export function headersFromRaw(raw: readonly string[]): HttpHeaders {
  const byName = new Map<string, Uint8Array[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? "").toLowerCase();
    const value = Buffer.from(raw[i + 1] ?? "", "latin1");
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  return [...byName];
}

/** The inverse of `headersFromRaw`. */
export function rawFromHeaders(headers: HttpHeaders): string[] {
  return headers.flatMap(([name, values]) => values.flatMap((value) => [name, Buffer.from(value).toString("latin1")]));
}

/** The first value of a header; null when it is absent. `name` in lower case. */
export function headerText(headers: HttpHeaders, name: string): string | null {
  const value = headers.find(([one]) => one === name)?.[1][0];
  return value === undefined ? null : Buffer.from(value).toString("latin1");
}

/** A response that says in plain text what went wrong. */
export function textResponse(status: number, text: string): StolenResponse {
  const body = Buffer.from(`${text}\n`);
  const headers = headersFromRaw(["content-type", "text/plain; charset=utf-8", "content-length", String(body.length)]);
  return { status, headers, body };
}
