// `understudy steal`: has a target's requests answered by a server of this machine, until the user ends it.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { formatSocketAddr, type HttpFilter } from "@understudy/protocol";
import { connectAgent, type IncomingConnection, type IncomingRequest, type Session } from "../index.ts";
import { type Output, printable, type Style } from "../output.ts";
import { HttpForwarder, type Outcome } from "./forwardHttp.ts";
import { forwardTcp } from "./forwardTcp.ts";
import { formatHostPort, type HostPort } from "./hostPort.ts";

const CONNECT_MAX_MS = 10_000;
/** How long the end waits for requests in progress. */
const DRAIN_MAX_MS = 3_000;
const PING_INTERVAL_MS = 20_000;

export interface StealCommandOptions {
  readonly port: number;
  readonly to: HostPort;
  readonly agent: HostPort;
  readonly header?: string;
  readonly path?: string;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function steal(options: StealCommandOptions, output: Output): Promise<number> {
  const stopped = new AbortController();
  const onSignal = (): void => {
    if (stopped.signal.aborted) output.quit(130);
    stopped.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await run(options, output, stopped.signal);
  } catch (error) {
    if (stopped.signal.aborted) return 0;
    output.note(printable(failureText(error)));
    return 1;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function run(options: StealCommandOptions, output: Output, stopped: AbortSignal): Promise<number> {
  await using session = await open(options, output, stopped);
  using forwarder = new HttpForwarder(options.to);
  const report = new Report(options.json, output);
  const subscription = await session.steal(options.port, {
    filter: filterOf(options),
    onRequest: (request) => forwarder.forward(request, (outcome) => report.request(request, outcome)),
    onConnection: (connection) => void report.connection(connection, forwardTcp(connection.stream, options.to)),
  });
  report.status(`stealing ${described(options)} of port ${options.port} for ${formatHostPort(options.to)}; Ctrl-C ends it`);
  const lost = await Promise.race([session.closed, stopped.aborted ? null : once(stopped, "abort").then(() => null)]);
  if (lost === null) await Promise.race([subscription.close(), sleep(DRAIN_MAX_MS, undefined, { ref: false })]);
  report.summary();
  if (lost !== null) throw lost;
  return 0;
}

async function open({ agent }: StealCommandOptions, output: Output, stopped: AbortSignal): Promise<Session> {
  const given = new AbortController();
  const timer = setTimeout(() => given.abort(new Error(`no connection within ${CONNECT_MAX_MS / 1000} s`)), CONNECT_MAX_MS);
  const onStopped = (): void => given.abort();
  stopped.addEventListener("abort", onStopped, { once: true });
  try {
    return await connectAgent({
      ...agent,
      signal: given.signal,
      pingIntervalMs: PING_INTERVAL_MS,
      onLog: ({ level, message }) => output.note(`the agent says (${level}): ${printable(message)}`),
    });
  } catch (error) {
    const cause: unknown = given.signal.aborted ? given.signal.reason : error;
    throw new Error(`cannot open a session with the agent at ${formatHostPort(agent)}: ${failureText(cause)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener("abort", onStopped);
  }
}

function filterOf({ header, path }: StealCommandOptions): HttpFilter | undefined {
  const filters: HttpFilter[] = [];
  if (header !== undefined) filters.push({ kind: "header", value: header });
  if (path !== undefined) filters.push({ kind: "path", value: path });
  return filters.length < 2 ? filters[0] : { kind: "composite", value: { all: true, filters } };
}

function described({ header, path }: StealCommandOptions): string {
  if (header === undefined && path === undefined) return "everything";
  const parts = [header === undefined ? null : `header ${printable(header)}`, path === undefined ? null : `path ${printable(path)}`];
  return `requests with ${parts.filter((part) => part !== null).join(" and ")}`;
}

/** What the user sees of it, a line a request. */
class Report {
  readonly #json: boolean;
  readonly #output: Output;
  #requests = 0;
  #connections = 0;
  #failed = 0;
  #unprinted = 0;

  constructor(json: boolean, output: Output) {
    this.#json = json;
    this.#output = output;
  }

  request({ method, uri }: IncomingRequest, { status, durationMs, bodyBytes, error }: Outcome): void {
    this.#requests += 1;
    if (error !== null) this.#failed += 1;
    const ms = Math.round(durationMs * 10) / 10;
    if (this.#json) {
      this.#print({ kind: "request", method, path: uri, status, ms, bytes: bodyBytes, error });
      return;
    }
    const shownStatus = this.#output.style(styleOf(status), String(status ?? "---"));
    const failure = error === null ? "" : `  ${this.#output.style("red", printable(error))}`;
    this.#line(`${method.padEnd(6)} ${printable(uri)}  ${shownStatus}  ${this.#output.style("dim", `${ms} ms  ${bodyBytes} B`)}${failure}`);
  }

  /** Never rejects. */
  async connection({ source }: IncomingConnection, forwarded: ReturnType<typeof forwardTcp>): Promise<void> {
    this.#connections += 1;
    const peer = formatSocketAddr(source);
    try {
      const { received, sent } = await forwarded;
      if (this.#json) this.#print({ kind: "connection", peer, received, sent, error: null });
      else this.#line(`TCP    ${peer}  ${this.#output.style("dim", `${received} B in  ${sent} B out`)}`);
    } catch (error) {
      this.#failed += 1;
      const text = failureText(error);
      if (this.#json) this.#print({ kind: "connection", peer, error: text });
      else this.#line(`TCP    ${peer}  ${this.#output.style("red", printable(text))}`);
    }
  }

  /** JSON alone is on standard output, if that was asked for. */
  status(text: string): void {
    if (this.#json) this.#output.note(text);
    else this.#line(this.#output.style("bold", text));
  }

  summary(): void {
    const failed = this.#failed === 0 ? "" : `, ${this.#failed} failed`;
    const unprinted = this.#unprinted === 0 ? "" : `, ${counted(this.#unprinted, "line")} not printed`;
    this.status(`stolen: ${counted(this.#requests, "request")}, ${counted(this.#connections, "connection")}${failed}${unprinted}`);
  }

  #print(value: object): void {
    this.#line(JSON.stringify(value));
  }

  /** A terminal that is slower than the requests is no reason to hold them up. */
  #line(text: string): void {
    if (!this.#output.offer(text)) this.#unprinted += 1;
  }
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

function styleOf(status: number | null): Style {
  if (status === null || status >= 500) return "red";
  if (status >= 400) return "yellow";
  return status >= 300 ? "cyan" : "green";
}

function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}
