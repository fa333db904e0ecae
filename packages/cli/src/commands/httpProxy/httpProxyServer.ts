// An HTTP proxy on this machine: tunnels by CONNECT, and requests in absolute form. The connections are made by the agent, from the target's network.

import { type Agent, createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { outgoing } from "@understudy/client";
import { failureText } from "../../failureText.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../../hostPort.ts";
import { printable } from "../../output.ts";
import { connectTo } from "../../proxy/destination.ts";
import { LocalServer } from "../../proxy/localServer.ts";
import { relay, whileOpen } from "../../proxy/relay.ts";
import type { TrafficReport } from "../../proxy/trafficReport.ts";
import { forwardRequest } from "./forwardRequest.ts";

export interface HttpProxyOptions {
  readonly source: outgoing.SessionSource;
  readonly report: TrafficReport;
  readonly stopped: AbortSignal;
}

/** How long a client may take for the head of a request. */
const HEADERS_MAX_MS = 10_000;

/** Listens; the caller owns the server. */
export async function startHttpProxy(at: HostPort, options: HttpProxyOptions): Promise<AsyncDisposable & { readonly address: HostPort }> {
  await using owned = new AsyncDisposableStack();
  const agent = outgoing.httpAgent(options.source);
  owned.defer(() => agent.destroy());
  // How long a body takes is between the client and its server.
  const server = createServer({ requestTimeout: 0, headersTimeout: HEADERS_MAX_MS, noDelay: true });
  server.on("request", (request, answer) => void serveRequest(request, answer, agent, options));
  server.on("connect", (request, socket: Socket, head) => void serveTunnel(request, socket, head, options));
  const { address } = owned.use(await LocalServer.listen(server, at));
  const moved = owned.move();
  return { address, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Never rejects. */
async function serveTunnel(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  { source, report, stopped }: HttpProxyOptions,
): Promise<void> {
  const startedAtMs = performance.now();
  const to = request.url ?? "";
  const { bytesRead: readBefore, bytesWritten: writtenBefore } = socket;
  let error: unknown = null;
  // Told by `relay`, or of no interest: nobody waits for the answer.
  socket.on("error", () => undefined);
  // What came behind the request is the tunnel's.
  if (head.length > 0) socket.unshift(head);
  let established = 0;
  try {
    const connection = await connectTo(source, { kind: "host", address: authority(to) }, whileOpen(socket, stopped));
    const answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    socket.write(answer);
    established = answer.length;
    await relay(socket, connection);
  } catch (thrown) {
    error = thrown;
    if (!socket.destroyed) socket.end(refusalMessage(thrown));
  }
  if (stopped.aborted) error = null;
  const sent = socket.bytesRead - readBefore + head.length;
  const received = established === 0 ? 0 : socket.bytesWritten - writtenBefore - established;
  report.ended({ transport: "tcp", from: fromOf(socket), to, sent, received, startedAtMs, error });
}

/** Never rejects. */
async function serveRequest(
  request: IncomingMessage,
  answer: ServerResponse,
  agent: Agent,
  { report, stopped }: HttpProxyOptions,
): Promise<void> {
  const startedAtMs = performance.now();
  const { socket } = request;
  const { bytesWritten } = socket;
  let sent = 0;
  request.on("data", (chunk: Buffer) => (sent += chunk.length));
  request.pause();
  let to: string | null = null;
  let error: unknown = null;
  try {
    const url = absoluteUrl(request.url ?? "");
    to = url.host;
    await forwardRequest(url, request, answer, agent);
  } catch (thrown) {
    error = thrown;
    answerFailure(answer, thrown);
  }
  if (stopped.aborted) error = null;
  report.ended({ transport: "http", from: fromOf(socket), to, sent, received: socket.bytesWritten - bytesWritten, startedAtMs, error });
}

/** What a client asks of a proxy that is none of its business. */
class BadRequest extends Error {
  override readonly name = "BadRequest";
}

/** @throws BadRequest */
function absoluteUrl(text: string): URL {
  if (text.startsWith("/"))
    throw new BadRequest("this is an HTTP proxy, not a server: give it to your program as one, for example as HTTP_PROXY");
  const url = URL.parse(text);
  if (url === null) throw new BadRequest(`${text} is no URL`);
  if (url.protocol === "https:") throw new BadRequest("https goes through a proxy by CONNECT");
  if (url.protocol !== "http:") throw new BadRequest(`${url.protocol} does not go through an HTTP proxy`);
  return url;
}

/** @throws BadRequest */
function authority(text: string): HostPort {
  try {
    return parseHostPort(text);
  } catch (cause) {
    throw new BadRequest(`CONNECT takes HOST:PORT, not ${text}`, { cause });
  }
}

function answerFailure(answer: ServerResponse, error: unknown): void {
  if (answer.headersSent || answer.destroyed) {
    // The client sees that the response is not whole.
    answer.destroy();
    return;
  }
  const { status, headers, text } = refusal(error);
  answer.writeHead(status, headers);
  answer.end(text);
}

interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

function refusal(error: unknown): Refusal {
  const text = `understudy: ${printable(failureText(error))}\n`;
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(Buffer.byteLength(text)),
    // A body that was not read must not be taken for the next request.
    connection: "close",
  };
  return { status: error instanceof BadRequest ? 400 : 502, headers, text };
}

/** The same as bytes, where a request has no response of Node's. */
function refusalMessage(error: unknown): string {
  const { status, headers, text } = refusal(error);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, "", text].join("\r\n");
}

function fromOf(socket: Socket): string {
  return formatHostPort({ host: socket.remoteAddress ?? "?", port: socket.remotePort ?? 0 });
}
