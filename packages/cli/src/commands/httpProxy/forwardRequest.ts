// One request in absolute form (RFC 9112, section 3.2.2): sent to the server it names, and the response back, both as streams. Requests and responses go
// through as they are, without a `Via`: what is tested behind this proxy should behave as without it.

import { once } from "node:events";
import { type Agent, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { endToEndHeaders } from "../../endToEndHeaders.ts";

/** @throws Error when the server cannot be reached, or either side breaks; whether a response has begun `answer.headersSent` says. */
export async function forwardRequest(url: URL, request: IncomingMessage, answer: ServerResponse, agent: Agent): Promise<void> {
  const gone = new AbortController();
  answer.once("close", () => gone.abort(new Error("the client left")));
  const response = await responseOf(url, request, agent, gone.signal);
  answer.sendDate = false;
  answer.writeHead(response.statusCode ?? 502, response.statusMessage, endToEndHeaders(response.rawHeaders));
  // Those who wait for the first event of a stream need the headers before it.
  answer.flushHeaders();
  await pipeline(
    response,
    async function* (chunks: AsyncIterable<Buffer>) {
      yield* chunks;
      const trailers = pairsOf(response.rawTrailers);
      if (trailers.length > 0) answer.addTrailers(trailers);
    },
    answer,
  );
}

async function responseOf(url: URL, request: IncomingMessage, agent: Agent, signal: AbortSignal): Promise<IncomingMessage> {
  // RFC 9112, section 3.2.2: the host of the target wins over a header that says otherwise.
  const headers = ["Host", url.host, ...withoutHost(endToEndHeaders(request.rawHeaders))];
  const hasBody = request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  for (let attempt = 1; ; attempt++) {
    const outgoing = httpRequest({
      agent,
      host: url.hostname,
      port: url.port === "" ? 80 : Number(url.port),
      method: request.method ?? "GET",
      path: `${url.pathname}${url.search}`,
      headers,
      signal,
    });
    // What fails after the response began is seen by who reads the response.
    outgoing.on("error", () => undefined);
    const response = once(outgoing, "response") as Promise<[IncomingMessage]>;
    if (hasBody) void pipeline(request, outgoing).catch(() => undefined);
    else outgoing.end();
    try {
      return (await response)[0];
    } catch (error) {
      // A kept connection that the server closed meanwhile: nothing was lost, a new one will do.
      const isReset = error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
      if (!isReset || !outgoing.reusedSocket || hasBody || attempt > 1) throw error;
    }
  }
}

function withoutHost(raw: readonly string[]): string[] {
  return raw.filter((_, i) => raw[i - (i % 2)]?.toLowerCase() !== "host");
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? "", raw[2 * i + 1] ?? ""]);
}
