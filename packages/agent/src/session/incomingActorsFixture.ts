// What tests of incoming traffic let targets and clients do, and what must hold when all is over.

import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import type { ChunkedRequest, DaemonTcp, HttpFilter, HttpHeaders, InternalHttpBodyFrame, LayerTcpSteal } from "@understudy/protocol";
import { payloadOf } from "../incoming/http/bodyFrames.ts";
import type { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

export type Start = Extract<ChunkedRequest, { kind: "startV2" }>["value"];
export type Id = number | bigint;

export const MINE = "x-user: me";
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntarget";

export const GET = (path: string, ...headers: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: shop\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`;

/** A target whose connections are driven by the test. */
export function manualTarget(): { readonly server: Server; next(): Promise<TargetSocket>; readonly count: number } {
  const waiting: ((socket: TargetSocket) => void)[] = [];
  const arrived: TargetSocket[] = [];
  let count = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    count += 1;
    const one = new TargetSocket(socket);
    const take = waiting.shift();
    if (take === undefined) arrived.push(one);
    else take(one);
  });
  return {
    server,
    next() {
      const one = arrived.shift();
      return one === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(one);
    },
    get count() {
      return count;
    },
  };
}

export class TargetSocket {
  readonly socket: Socket;
  text = "";
  hasEnded = false;
  #onChange: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1");
      this.#onChange?.();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.#onChange?.();
      socket.end();
    });
    socket.on("close", () => this.#onChange?.());
  }

  async until(isThere: (text: string) => boolean): Promise<string> {
    while (!isThere(this.text)) {
      if (this.socket.closed) throw new Error(`the target's connection ended with ${JSON.stringify(this.text.slice(0, 500))}`);
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
    return this.text;
  }

  async ended(): Promise<string> {
    while (!this.hasEnded && !this.socket.closed) await new Promise<void>((resolve) => (this.#onChange = resolve));
    return this.text;
  }
}

export async function nextSteal(client: Client): Promise<DaemonTcp> {
  return (await client.next("tcpSteal")).value;
}

export async function nextStart(client: Client): Promise<Start> {
  for (;;) {
    const message = await nextSteal(client);
    if (message.kind === "httpRequestChunked" && message.value.kind === "startV2") return message.value.value;
  }
}

export async function nextClose(client: Client, lane: "tcp" | "tcpSteal" = "tcpSteal"): Promise<Id> {
  for (;;) {
    const { value } = await client.next(lane);
    if (value.kind === "close") return value.value.connectionId;
  }
}

export function steal(client: Client, value: LayerTcpSteal): void {
  client.send({ kind: "tcpSteal", value });
}

export async function stealBy(pod: PodUnderTest, client: Client, filter: HttpFilter): Promise<void> {
  steal(client, { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [pod.port, filter] } });
  await client.next("tcpSteal");
}

export function respond(
  client: Client,
  connectionId: Id,
  body: Uint8Array | string,
  { status = 200, headers = [] }: { status?: number; headers?: HttpHeaders } = {},
): void {
  const frames: InternalHttpBodyFrame[] = body.length === 0 ? [] : [{ kind: "data", value: Buffer.from(body) }];
  const internalResponse = { status, version: "HTTP/1.1" as const, headers, body: frames };
  steal(client, { kind: "httpResponseFramed", value: { port: 0, connectionId, requestId: 0, internalResponse } });
}

/** The payload of some frames. */
export function payload(frames: readonly InternalHttpBodyFrame[]): string {
  return Buffer.from(payloadOf(frames)).toString("latin1");
}

/** What a client hears of one request, from its beginning to its body's end. */
export async function hearRequest(client: Client, version: string): Promise<{ kinds: string[]; body: string; trailers: number }> {
  const kinds: string[] = [];
  const frames: InternalHttpBodyFrame[] = [];
  for (;;) {
    const message = await nextSteal(client);
    if (message.kind === "httpRequest")
      return { kinds: [message.kind], body: Buffer.from(message.value.internalRequest.body).toString(), trailers: 0 };
    if (message.kind === "httpRequestFramed") {
      const { body } = message.value.internalRequest;
      return { kinds: [message.kind], body: payload(body), trailers: body.filter(({ kind }) => kind === "trailers").length };
    }
    assert.ok(message.kind === "httpRequestChunked", `${version}: ${message.kind}`);
    const part = message.value;
    kinds.push(part.kind);
    let isLast = false;
    if (part.kind === "startV1") frames.push(...part.value.internalRequest.body);
    else if (part.kind === "startV2") {
      frames.push(...part.value.request.body.frames);
      ({ isLast } = part.value.request.body);
    } else if (part.kind === "body") {
      frames.push(...part.value.frames);
      ({ isLast } = part.value);
      if (isLast) assert.deepEqual(part.value.frames, []);
    }
    if (isLast) return { kinds, body: payload(frames), trailers: frames.filter(({ kind }) => kind === "trailers").length };
  }
}

/** A round trip through the session: what was sent before has been handled. */
export async function settled(client: Client): Promise<void> {
  client.send({ kind: "ping" });
  await client.next("pong");
}

/** Waits until something is true that no event tells of. */
export async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  for (let round = 0; !isTrue(); round++) {
    assert.ok(round < 300, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** All connections, requests and bytes were given back, and nothing of it is the agent's fault. */
export async function assertGivenBack({ agent, port }: PodUnderTest): Promise<void> {
  const { metrics, budget, log } = agent;
  await eventually(() => metrics.redirectedConnectionsCount.value === 0, "connections are left");
  await eventually(() => agent.sessions.count === 0, "sessions are left");
  assert.equal(metrics.redirectedRequestsCount.value, 0, "requests are left");
  assert.equal(metrics.bypassedRequests.with(port).value, 0, "passed requests are left");
  assert.equal(metrics.mirrorConnectionSubscriptionCount.value, 0, "copies are left");
  await eventually(() => budget.usedBytes === 0, "bytes are held");
  assert.deepEqual(
    log.events.filter(({ code }) => code === "AGENT_BUG"),
    [],
  );
}
