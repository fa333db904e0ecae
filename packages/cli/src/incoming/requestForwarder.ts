// Has requests of one port answered by a server of the user's, in the protocol that fits, or else by the target itself; what nobody
// answers is a 502 that says why.

import { Agent } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { headerText, type IncomingRequest, type StolenResponse, textResponse } from "@understudy/client";
import { failureText } from "../failureText.ts";
import { formatHostPort, type HostPort } from "../hostPort.ts";
import { type Answer, type Sending, wantedUpgrade } from "./forwardedRequest.ts";
import { sendHttp1 } from "./forwardHttp1.ts";
import { Http2Server, NotHttp2Error } from "./forwardHttp2.ts";
import { joinConnections } from "./joinConnections.ts";
import { readChunks } from "./readChunks.ts";
import { SendableBody } from "./sendableBody.ts";
import type { Transfer } from "./transfer.ts";

/** Bodies up to this many bytes can still go to the target after the server has begun to read them. */
const KEPT_MAX_BYTES = 1024 * 1024;
const IDLE_CONNECTIONS_MAX = 256;

export interface ForwarderOptions {
  readonly server: HostPort;
  /** Whether all requests that came as HTTP/2 are sent as that; otherwise only gRPC is. */
  readonly http2: boolean;
  /** Connects to the port of the target that a request was for; null when the target is not to answer. */
  readonly connectTarget: ((request: IncomingRequest) => Promise<Duplex>) | null;
}

/** Owns connections to one server and keeps them for later requests. */
export class RequestForwarder implements Disposable {
  readonly #options: ForwarderOptions;
  readonly #host: string;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS_MAX });
  readonly #http2: Http2Server;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#host = formatHostPort(options.server);
    this.#http2 = new Http2Server(() => connectHttp2(`http://${this.#host}`));
  }

  /** Never rejects. `signal` aborts when nobody waits for the answer. */
  async forward(request: IncomingRequest, transfer: Transfer, signal: AbortSignal): Promise<StolenResponse> {
    const keptMaxBytes = this.#options.connectTarget === null ? 0 : KEPT_MAX_BYTES;
    const body = new SendableBody(request.body, keptMaxBytes, (bytes) => transfer.received(bytes));
    const over = new AbortController();
    const sending = { request, body, signal: over.signal };
    const giveUp = (): void => {
      transfer.end(failureText(signal.reason));
      over.abort(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    // What is left of a body whose request was answered early: nobody wants it, and it would count as held for as long as the session lasts.
    const onAnswered = (): void => {
      if (request.body.isKnownEmpty) return;
      over.abort(new Error("the request was answered before its body was sent"));
      request.body.destroy();
    };
    try {
      return passedOn(await this.#send(sending), transfer, onAnswered);
    } catch (error) {
      return await this.#instead(sending, transfer, onAnswered, failureText(error));
    }
  }

  /** For a copy: the answer is read and thrown away. Never rejects. */
  async copy(request: IncomingRequest, transfer: Transfer, signal: AbortSignal): Promise<void> {
    const body = new SendableBody(request.body, 0, (bytes) => transfer.received(bytes));
    try {
      const answer = await this.#send({ request, body, signal });
      transfer.answered(answer.status);
      for await (const _ of readChunks(answer.body));
      transfer.end(null);
    } catch (error) {
      transfer.end(failureText(error));
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
    this.#http2[Symbol.dispose]();
  }

  async #send(sending: Sending): Promise<Answer> {
    if (isHttp2(sending.request, this.#options.http2)) {
      try {
        return await this.#http2.send(sending, this.#host);
      } catch (error) {
        if (!(error instanceof NotHttp2Error)) throw error;
      }
    }
    const { server } = this.#options;
    if (wantedUpgrade(sending.request) === null) return await sendHttp1(sending, { ...server, agent: this.#agent }, this.#host);
    // What goes on in another protocol has a connection of its own, of which each direction ends for itself.
    const createConnection = (): Duplex => connect({ ...server, noDelay: true, allowHalfOpen: true });
    return await sendHttp1(sending, { host: server.host, createConnection }, this.#host);
  }

  async #instead(sending: Sending, transfer: Transfer, onAnswered: () => void, reason: string): Promise<StolenResponse> {
    const { connectTarget } = this.#options;
    let text = `understudy: the request was stolen, but ${this.#host} did not answer it: ${reason}`;
    if (connectTarget !== null && !sending.signal.aborted) {
      try {
        const answer = await this.#sendToTarget(sending, connectTarget);
        transfer.fellBack(reason);
        return passedOn(answer, transfer, onAnswered);
      } catch (error) {
        text += `; nor can the target: ${failureText(error)}`;
      }
    }
    transfer.answered(502);
    transfer.end(reason);
    return textResponse(502, text);
  }

  async #sendToTarget(sending: Sending, connectTarget: (request: IncomingRequest) => Promise<Duplex>): Promise<Answer> {
    if (!sending.body.canRestart) throw new Error("more of the request's body has been sent than is kept for it (1 MiB)");
    const connection = await connectTarget(sending.request);
    const host = `127.0.0.1:${sending.request.port}`;
    try {
      if (!sending.request.version.startsWith("HTTP/2"))
        return await sendHttp1(sending, { host, createConnection: () => connection }, host);
      // For this request alone, so that it ends with it.
      const server = new Http2Server(() => connectHttp2(`http://${host}`, { createConnection: () => connection }));
      const answer = await server.send(sending, host);
      answer.body.once("close", () => server[Symbol.dispose]());
      return answer;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }
}

/** gRPC needs HTTP/2. Other servers that speak it without TLS are rare, so the user says so. */
function isHttp2({ version, headers }: IncomingRequest, all: boolean): boolean {
  return version.startsWith("HTTP/2") && (all || /^application\/grpc\b/i.test(headerText(headers, "content-type") ?? ""));
}

/** `onAnswered` is called when all of the answer has been passed on, or will never be. */
function passedOn(answer: Answer, transfer: Transfer, onAnswered: () => void): StolenResponse {
  const { status, version, headers, body, trailers, upgraded } = answer;
  transfer.answered(status);
  if (upgraded === null) return { status, version, headers, body: counted(body, transfer, onAnswered), trailers };
  // Its peer may leave before the stream is there.
  upgraded.on("error", () => undefined);
  return {
    status,
    version,
    headers,
    onUpgrade: (stream) => {
      transfer.follow(stream);
      joinConnections(stream, upgraded).then(
        () => transfer.end(null),
        (error: unknown) => transfer.end(failureText(error)),
      );
    },
  };
}

async function* counted(body: Readable, transfer: Transfer, onEnd: () => void): AsyncGenerator<Buffer> {
  let failure: string | null = "not passed on to its end";
  try {
    for await (const chunk of readChunks(body)) {
      transfer.sent(chunk.length);
      yield chunk;
    }
    failure = null;
  } catch (error) {
    failure = failureText(error);
    throw error;
  } finally {
    transfer.end(failure);
    onEnd();
  }
}
