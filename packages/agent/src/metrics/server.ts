// The HTTP server for Prometheus, for probes, and for who wants to know what the agent can do here. It changes nothing, never keeps the process alive, and is
// only loaded (node:http with it) when an address was given.

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { once } from "node:events";
import type { Metrics } from "./metrics.ts";
import { expositionContentType } from "./exposition.ts";

/** Where and what to serve. */
export interface MetricsServerOptions {
  readonly metrics: Metrics;
  /** IP address to bind, IPv6 without brackets. */
  readonly host: string;
  /** Port to bind; 0 takes any. */
  readonly port: number;
  /** Told when the address cannot be bound. */
  readonly log: { event(code: "METRICS_LISTEN_FAILED", fields: Readonly<Record<string, string | number>>): void };
  /** Where the agent is in its life. While it starts nothing is read from files (the thread pool must not be used yet). Default: always ready. */
  readonly state?: () => AgentState;
  /** What `/capabilities` shows, as JSON. */
  readonly capabilities?: object;
  /** Told that a request begins. */
  readonly work?: { begin(what: string): unknown };
}

/** Only who is ready takes clients. */
export type AgentState = "starting" | "ready" | "stopping";

/** A server that is listening. Disposing it closes its connections. */
export interface MetricsServer extends AsyncDisposable {
  /** The port that was bound. */
  readonly port: number;
}

/** Most connections at once; more are closed at once. */
const connectionsMax = 16;

const paths: ReadonlySet<string> = new Set(["/metrics", "/healthz", "/readyz", "/capabilities"]);

/** For the head of a request, for a whole one, and for a connection without any. */
const patienceMs = 5000;

/** Starts to listen. @throws the system's error when the address cannot be bound; the admin has been told then. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { createServer } = await import("node:http");
  const limits = {
    headersTimeout: patienceMs,
    requestTimeout: patienceMs,
    keepAliveTimeout: patienceMs,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: 8192,
  };
  const server = createServer(limits, (request, response) => {
    answer(options, request, response).catch(() => {
      // The scrape failed as a whole; the next one may not.
      response.destroy();
    });
  });
  server.maxConnections = connectionsMax;
  // Ends a connection on which nothing moves, also one whose peer does not read the answer.
  server.setTimeout(2 * patienceMs, (socket) => {
    socket.destroy();
  });
  server.on("connection", (socket) => socket.unref());
  server.unref();
  const { host, port, log } = options;
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, "listening");
  } catch (error) {
    log.event("METRICS_LISTEN_FAILED", { host, port, error: String(error) });
    throw error;
  }
  // From here on only a single accept can fail, and that is the peer's loss.
  server.on("error", () => undefined);
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    [Symbol.asyncDispose]: () => close(server),
  };
}

async function answer(options: MetricsServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  options.work?.begin("request for metrics");
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const state = options.state?.() ?? "ready";
  if (!paths.has(path)) {
    reply(request, response, 404, "not found\n");
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    reply(request, response, 405, "method not allowed\n");
  } else if (path === "/healthz") {
    // Whoever answers is alive, also while it starts or stops.
    reply(request, response, 200, "ok");
  } else if (path === "/readyz") {
    reply(request, response, state === "ready" ? 200 : 503, state);
  } else if (path === "/capabilities") {
    if (state === "starting") reply(request, response, 503, state);
    else reply(request, response, 200, `${JSON.stringify(options.capabilities ?? {}, null, 2)}\n`, "application/json");
  } else {
    const text = await options.metrics.exposition({ isPoolUsable: state !== "starting" });
    reply(request, response, 200, text, expositionContentType);
  }
}

function reply(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  contentType = "text/plain; charset=utf-8",
): void {
  // A body that nobody asked for must not be read on; the connection ends with the answer.
  if (request.method !== "GET" && request.method !== "HEAD") response.setHeader("connection", "close");
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(text) });
  response.end(request.method === "HEAD" ? undefined : text);
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
