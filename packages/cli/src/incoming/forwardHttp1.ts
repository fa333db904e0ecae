// Sends a request to a server as HTTP/1.1. An answer that takes the connection over is passed on as that.

import { once } from "node:events";
import { type Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { headersFromRaw, headerText, type IncomingRequest, rawFromHeaders } from "@understudy/client";
import type { HttpHeaders } from "@understudy/protocol";
import { type Answer, type Sending, targetOf, wantedUpgrade, wantsTrailers, withoutHopByHop } from "./forwardedRequest.ts";

/** The server: by its address, with connections that are kept, or by a connection that is for this request alone. */
export type Http1Server =
  | { readonly host: string; readonly port: number; readonly agent: Agent }
  | { readonly host: string; readonly createConnection: () => Duplex };

/** Rejects when there is no answer. `host` is for requests without one. */
export async function sendHttp1({ request, body, signal }: Sending, server: Http1Server, host: string): Promise<Answer> {
  const { path, headers } = headOf(request, host);
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const outgoing = httpRequest({ ...server, method: request.method, path, headers });
    signal.addEventListener("abort", () => outgoing.destroy(), { once: true });
    // What fails after the response began is seen by who reads the response.
    outgoing.on("error", () => undefined);
    const answered = answerTo(outgoing);
    void sendBody({ request, body, signal }, outgoing);
    try {
      return await answered;
    } catch (error) {
      // A kept connection that the server closed meanwhile: nothing was lost, a new one will do.
      const isReset = error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
      if (!isReset || !outgoing.reusedSocket || !body.isKnownEmpty || attempt > 1) throw error;
    }
  }
}

function answerTo(outgoing: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.once("response", (response: IncomingMessage) => resolve(answerOf(response, null)));
    outgoing.once("upgrade", (response: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      resolve(answerOf(response, socket));
    });
    outgoing.once("error", reject);
  });
}

function answerOf(response: IncomingMessage, upgraded: Duplex | null): Answer {
  const headers = headersFromRaw(response.rawHeaders);
  return {
    status: response.statusCode ?? 502,
    version: `HTTP/${response.httpVersion}`,
    headers: upgraded === null ? withoutHopByHop(headers) : headers,
    body: response,
    trailers: () => headersFromRaw(response.rawTrailers),
    upgraded,
  };
}

/** Never rejects: a body that breaks off takes the request with it. */
async function sendBody({ body, signal }: Sending, outgoing: ClientRequest): Promise<void> {
  if (body.isKnownEmpty) {
    outgoing.end();
    return;
  }
  try {
    for await (const chunk of body.chunks()) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(chunk)) await once(outgoing, "drain", { signal });
    }
    if (body.trailers !== null) outgoing.addTrailers(pairsOf(rawFromHeaders(body.trailers)));
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error instanceof Error ? error : undefined);
  }
}

function headOf(request: IncomingRequest, host: string): { readonly path: string; readonly headers: string[] } {
  const { path, authority } = targetOf(request);
  const upgrade = wantedUpgrade(request);
  const headers = rawFromHeaders(withoutHopByHop(request.headers));
  // HTTP/2 has no host header, and HTTP/1.0 may have none; HTTP/1.1, which is spoken here, demands it.
  if (headerText(request.headers, "host") === null) headers.unshift("host", authority ?? host);
  if (wantsTrailers(request)) headers.push("te", "trailers");
  if (upgrade !== null) headers.push("connection", "upgrade", "upgrade", upgrade);
  headers.push(...framingOf(request, request.headers));
  return { path, headers };
}

function framingOf({ body, method }: IncomingRequest, headers: HttpHeaders): string[] {
  if (headerText(headers, "content-length") !== null) return [];
  if (!body.isKnownEmpty) return ["transfer-encoding", "chunked"];
  return method === "POST" || method === "PUT" || method === "PATCH" ? ["content-length", "0"] : [];
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? "", raw[2 * i + 1] ?? ""]);
}
