// Has a stolen request answered by a server of this machine. Headers that concern one connection only (RFC 9110, 7.6.1) stay
// behind; everything else, bodies and trailers included, goes through as it is.

import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { HttpHeaders } from "@understudy/protocol";
import { headersFromRaw, headerText, type IncomingRequest, rawFromHeaders, type StolenResponse, textResponse } from "../index.ts";
import { formatHostPort, type HostPort } from "./hostPort.ts";

/** What became of a request. */
export interface Outcome {
  /** Null when the peer went away before there was one. */
  readonly status: number | null;
  readonly durationMs: number;
  /** Bytes of the response's body that were passed on. */
  readonly bodyBytes: number;
  /** What failed; null when nothing did. */
  readonly error: string | null;
}

/** Owns connections to one server and keeps them for later requests. */
export class HttpForwarder implements Disposable {
  readonly #to: HostPort;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(to: HostPort) {
    this.#to = to;
  }

  /** Never rejects. `onOutcome` is called once, when the response has been passed on or there is nobody to have it. */
  async forward(request: IncomingRequest, onOutcome: (outcome: Outcome) => void): Promise<StolenResponse> {
    const startedAt = performance.now();
    let isReported = false;
    const report = (status: number | null, bodyBytes: number, error: string | null): void => {
      if (isReported) return;
      isReported = true;
      onOutcome({ status, durationMs: performance.now() - startedAt, bodyBytes, error });
    };
    request.signal.addEventListener("abort", () => report(null, 0, reasonOf(request.signal.reason)), { once: true });
    try {
      const response = await this.#send(request);
      const status = response.statusCode ?? 502;
      return {
        status,
        version: `HTTP/${response.httpVersion}`,
        headers: withoutHopByHop(headersFromRaw(response.rawHeaders)),
        body: counted(response, (bytes, error) => report(status, bytes, error === null ? null : reasonOf(error))),
        trailers: () => headersFromRaw(response.rawTrailers),
      };
    } catch (error) {
      const refusal = textResponse(
        502,
        `understudy: the request was stolen, but ${formatHostPort(this.#to)} did not answer it: ${reasonOf(error)}`,
      );
      report(502, refusal.body instanceof Uint8Array ? refusal.body.length : 0, reasonOf(error));
      return refusal;
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #send(request: IncomingRequest): Promise<IncomingMessage> {
    const target = targetOf(request, this.#to);
    for (let attempt = 1; ; attempt++) {
      request.signal.throwIfAborted();
      const { method, signal } = request;
      const { host, port } = this.#to;
      const outgoing = httpRequest({ host, port, agent: this.#agent, method, path: target.path, headers: target.headers, signal });
      // What fails after the response began is seen by who reads the response.
      outgoing.on("error", () => undefined);
      const response = once(outgoing, "response") as Promise<[IncomingMessage]>;
      void sendBody(request, outgoing);
      try {
        return (await response)[0];
      } catch (error) {
        // A kept connection that the server closed meanwhile: nothing was lost, a new one will do.
        const isReset = error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
        if (!isReset || !outgoing.reusedSocket || !request.body.isKnownEmpty || attempt > 1) throw error;
      }
    }
  }
}

/** Never rejects: a body that breaks off takes the request with it. */
async function sendBody({ body, signal }: IncomingRequest, outgoing: ClientRequest): Promise<void> {
  if (body.isKnownEmpty) {
    outgoing.end();
    return;
  }
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (!outgoing.write(chunk)) await once(outgoing, "drain", { signal });
    }
    if (body.trailers !== null) outgoing.addTrailers(pairsOf(rawFromHeaders(body.trailers)));
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error instanceof Error ? error : undefined);
  }
}

/** @throws Error for a target that a server of this machine cannot have. */
function targetOf(request: IncomingRequest, to: HostPort): { readonly path: string; readonly headers: string[] } {
  const { uri, method, body } = request;
  if (method === "CONNECT") throw new Error("CONNECT is not forwarded");
  const absolute = /^[^/?#]*:\/\/([^/?#]*)(.*)$/su.exec(uri);
  const origin = absolute === null ? uri : absolute[2] === "" ? "/" : (absolute[2] ?? "");
  // One character a byte, as node:http writes them.
  const path = Buffer.from(origin.startsWith("?") ? `/${origin}` : origin).toString("latin1");
  const headers = rawFromHeaders(withoutHopByHop(request.headers));
  // HTTP/2 has no host header, and HTTP/1.0 may have none; HTTP/1.1, which is spoken here, demands it.
  if (headerText(request.headers, "host") === null) headers.unshift("host", absolute?.[1] ?? formatHostPort(to));
  if (/\btrailers\b/i.test(headerText(request.headers, "te") ?? "")) headers.push("te", "trailers");
  if (headerText(request.headers, "content-length") === null) {
    if (!body.isKnownEmpty) headers.push("transfer-encoding", "chunked");
    else if (method === "POST" || method === "PUT" || method === "PATCH") headers.push("content-length", "0");
  }
  return { path, headers };
}

const hopByHop = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

function withoutHopByHop(headers: HttpHeaders): HttpHeaders {
  const named = rawFromHeaders(headers.filter(([name]) => name === "connection")).flatMap((text) => text.toLowerCase().split(/\s*,\s*/));
  return headers.filter(([name]) => !hopByHop.has(name) && !named.includes(name));
}

async function* counted(body: IncomingMessage, onEnd: (bytes: number, error: unknown) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  let error: unknown = new Error("not passed on to its end");
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
    }
    error = null;
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    onEnd(bytes, error);
  }
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? "", raw[2 * i + 1] ?? ""]);
}

/** Errors of connecting to several addresses have no message of their own. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}
