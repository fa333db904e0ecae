// Sends requests to a server as HTTP/2 without TLS, with prior knowledge (RFC 9113, 3.3), all over one connection while that lives.

import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { headersFromRaw, type IncomingRequest, rawFromHeaders } from "@understudy/client";
import type { HttpHeaders } from "@understudy/protocol";
import { type Answer, type Sending, targetOf, wantsTrailers, withoutHopByHop } from "./forwardedRequest.ts";

/** The server can be reached, but what it says is not HTTP/2. Nothing of the request has been sent. */
export class NotHttp2Error extends Error {
  override readonly name = "NotHttp2Error";
}

export class Http2Server implements Disposable {
  readonly #open: () => ClientHttp2Session;
  #session: Promise<ClientHttp2Session> | null = null;

  constructor(open: () => ClientHttp2Session) {
    this.#open = open;
  }

  /** Rejects when there is no answer, with NotHttp2Error before anything was sent. `host` is for requests without one. */
  async send({ request, body, signal }: Sending, host: string): Promise<Answer> {
    const headers = headOf(request, host);
    const session = await this.#connected();
    signal.throwIfAborted();
    const stream = session.request(headers, { endStream: body.isKnownEmpty, waitForTrailers: !body.isKnownEmpty });
    // Whoever reads the response sees what fails after its beginning.
    stream.on("error", () => undefined);
    const onAbort = (): void => stream.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener("abort", onAbort, { once: true });
    stream.once("close", () => signal.removeEventListener("abort", onAbort));
    const answered = answerOn(stream);
    void sendBody({ request, body, signal }, stream);
    return await answered;
  }

  [Symbol.dispose](): void {
    this.#session?.then(
      (session) => session.destroy(),
      () => undefined,
    );
  }

  async #connected(): Promise<ClientHttp2Session> {
    const opening = (this.#session ??= ready(this.#open()));
    let isUsable = false;
    try {
      const session = await opening;
      isUsable = !session.closed && !session.destroyed;
      if (isUsable) return session;
    } finally {
      if (!isUsable && this.#session === opening) this.#session = null;
    }
    return await this.#connected();
  }
}

/** Resolves when the server has shown that it speaks HTTP/2. */
async function ready(session: ClientHttp2Session): Promise<ClientHttp2Session> {
  const failed = new Promise<never>((_, reject) => {
    session.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code?.startsWith("ERR_HTTP2") === true ? new NotHttp2Error("it does not speak HTTP/2", { cause: error }) : error);
    });
    session.once("close", () => reject(new NotHttp2Error("it closed a connection with HTTP/2")));
  });
  // Errors of later belong to the streams.
  session.on("error", () => undefined);
  await Promise.race([once(session, "remoteSettings"), failed]).catch((error: unknown) => {
    session.destroy();
    throw error;
  });
  failed.catch(() => undefined);
  return session;
}

function answerOn(stream: ClientHttp2Stream): Promise<Answer> {
  let trailers: HttpHeaders | null = null;
  stream.once("trailers", (_headers, _flags, ...raw: unknown[]) => {
    trailers = headersFromRaw(raw[0] as string[]);
  });
  return new Promise((resolve, reject) => {
    stream.once("response", (headers, _flags, ...raw: unknown[]) => {
      resolve({
        status: headers[":status"] ?? 502,
        version: "HTTP/2.0",
        headers: headersFromRaw(raw[0] as string[]).filter(([name]) => !name.startsWith(":")),
        body: stream,
        trailers: () => trailers,
        upgraded: null,
      });
    });
    stream.once("error", reject);
    stream.once("close", () => reject(new Error(`the server closed the stream without an answer (HTTP/2 error ${stream.rstCode})`)));
  });
}

/** Never rejects: a body that breaks off takes the stream with it. */
async function sendBody({ body, signal }: Sending, stream: ClientHttp2Stream): Promise<void> {
  if (body.isKnownEmpty) return;
  stream.once("wantTrailers", () => stream.sendTrailers(Object.fromEntries(textsOf(body.trailers ?? []))));
  try {
    for await (const chunk of body.chunks()) {
      if (stream.destroyed || stream.writableEnded) return;
      if (!stream.write(chunk)) await once(stream, "drain", { signal });
    }
    stream.end();
  } catch {
    stream.close(constants.NGHTTP2_CANCEL);
  }
}

function headOf(request: IncomingRequest, host: string): string[] {
  const { path, authority } = targetOf(request);
  const headers = withoutHopByHop(request.headers).filter(([name]) => name !== "host" && !name.startsWith(":"));
  const pseudo = [":method", request.method, ":scheme", "http", ":authority", authority ?? host, ":path", path];
  return [...pseudo, ...rawFromHeaders(headers), ...(wantsTrailers(request) ? ["te", "trailers"] : [])];
}

function textsOf(headers: HttpHeaders): [string, string[]][] {
  return headers.map(([name, values]) => [name, values.map((value) => Buffer.from(value).toString("latin1"))]);
}
