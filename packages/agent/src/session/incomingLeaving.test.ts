// Clients and peers that leave, or do not read, while a request is under way. Nobody else notices, and a request that its client never heard of is the target's.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import {
  GET,
  MINE,
  OK,
  assertGivenBack,
  eventually,
  manualTarget,
  nextClose,
  nextStart,
  nextSteal,
  payload,
  respond,
  settled,
  steal,
} from "./incomingActorsFixture.ts";
import { httpLimits, type Peer, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const POST = (path: string, bytes: number, ...headers: string[]): string =>
  `POST ${path} HTTP/1.1\r\nHost: shop\r\nContent-Length: ${bytes}\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`;

/** A target that answers every request with the method and path that it got, and the length of its body. */
function echoingTarget(): ReturnType<typeof createServer> {
  return createServer((socket) => {
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (;;) {
        const end = text.indexOf("\r\n\r\n") + 4;
        const length = Number(/content-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
        if (end < 4 || text.length < end + length) return;
        const body = `${text.split(" ", 2).join(" ")} ${length}`;
        text = text.slice(end + length);
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
    });
  });
}

/** Peers with requests that a client which reads nothing does not take, until no more of them is queued for it. */
async function fillQueue(pod: PodUnderTest, client: Client, path: string): Promise<Peer[]> {
  client.socket.pause();
  const peers: Peer[] = [];
  const { httpRequests } = pod.agent.metrics;
  while (httpRequests.with("passed").value === 0) {
    assert.ok(peers.length < 600, "the client's queue never fills");
    const peer = await pod.peer();
    const before = httpRequests.with("passed").value + httpRequests.with("stolen").value;
    peer.write(POST(path, 50_000, MINE) + "x".repeat(50_000));
    await eventually(() => httpRequests.with("passed").value + httpRequests.with("stolen").value > before, "the request was not judged");
    peers.push(peer);
  }
  return peers;
}

test("requests for a client that does not read go to the target when its queue is full, which it is told once, and to it again when it reads", async () => {
  await using pod = await PodUnderTest.start(echoingTarget());
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  const peers = await fillQueue(pod, client, "/fill");
  await peers.at(-1)!.until((text) => text.endsWith("POST /fill 50000"));
  using more = await pod.peer();
  more.write(GET("/more", MINE));
  await more.until((text) => text.endsWith("GET /more 0"));
  client.socket.resume();
  for (let i = 0; i < peers.length - 1; i++) await nextStart(client);
  await eventually(() => client.messages.some(({ kind }) => kind === "logMessage"), "the client is not told");
  const texts = client.messages.flatMap((one) => (one.kind === "logMessage" ? [one.value.message] : []));
  assert.deepEqual(texts, ["1 HTTP requests were passed to the target, since this client does not read fast enough"]);
  more.write(GET("/again", MINE));
  assert.equal((await nextStart(client)).request.uri, "/again");
  for (const one of [...peers, more, client]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("when a client leaves, requests that it has not heard of are answered by the target, all others by a 502", async () => {
  await using pod = await PodUnderTest.start(echoingTarget());
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  const peers = await fillQueue(pod, client, "/queued");
  for (const peer of peers) peer.write(GET("/ahead", MINE));
  client.socket.destroy();
  const answers = await Promise.all(
    peers.map((peer) => peer.until((text) => text.includes("502 Bad Gateway") || text.includes("GET /ahead 0"))),
  );
  const byTarget = answers.filter((text) => text.includes("POST /queued 50000"));
  const dropped = answers.filter((text) => text.startsWith("HTTP/1.1 502"));
  assert.equal(byTarget.length + dropped.length, peers.length);
  assert.ok(byTarget.length > 5, "what was queued is the target's");
  assert.ok(dropped.length > 5, "what was sent is lost");
  for (const peer of peers) peer[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a large request is not kept once its client has heard of it, however long that takes to answer", async () => {
  await using pod = await PodUnderTest.start(echoingTarget());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write(POST("/", 50_000) + "x".repeat(50_000));
  const { connectionId } = await nextStart(client);
  await eventually(() => pod.agent.budget.usedBytes === 0, "bytes are held");
  respond(client, connectionId, "mine");
  await peer.until((text) => text.endsWith("mine"));
  for (const one of [peer, client]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a client that gives a request up has heard of it: the peer gets a 502", async () => {
  await using pod = await PodUnderTest.start(echoingTarget());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write(GET("/"));
  const { connectionId } = await nextStart(client);
  steal(client, { kind: "connectionUnsubscribe", value: connectionId });
  assert.match(await peer.ended(), /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*: the request was dropped\n$/);
});

for (const version of ["1.2.2", "1.3.0"]) {
  test(`the target gets a request when a client of version ${version} leaves before the body is complete, and the rest of it`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client(version);
    await pod.steal(client, `^${MINE}$`);
    using peer = await pod.peer();
    const request = `POST / HTTP/1.1\r\nHost: shop\r\n${MINE}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4;x\r\nbody\r\n3\r\nand\r\n0\r\n\r\n`;
    peer.write(request.slice(0, -20));
    await peer.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
    peer.write(request.slice(-20, -9));
    await settled(client);
    assert.equal(target.count, 0);
    client[Symbol.dispose]();
    const socket = await target.next();
    peer.write(request.slice(-9));
    await socket.until((text) => text === request);
    socket.socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`);
    await peer.until((text) => text === `HTTP/1.1 100 Continue\r\n\r\n${OK}`);
    peer[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("a body that is too large to be collected for an old client goes to the target, and the client is told", async () => {
  await using pod = await PodUnderTest.start(echoingTarget());
  using client = await pod.client("1.6.0");
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  const size = 3 << 20;
  peer.write(POST("/large", size, MINE));
  peer.write(Buffer.alloc(size, "x"));
  await peer.until((text) => text.endsWith(`POST /large ${size}`));
  assert.match((await client.next("logMessage")).value.message, /^An HTTP request was not stolen: its body is larger/);
  for (const one of [peer, client]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a copy of a request that the target gets after all is complete, and ends once", async () => {
  await using pod = await PodUnderTest.start(echoingTarget());
  using stealer = await pod.client("1.3.0");
  using listener = await pod.client();
  await pod.steal(stealer, `^${MINE}$`);
  listener.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await listener.next("tcp");
  using peer = await pod.peer();
  peer.write(`${POST("/", 6, MINE)}abc`);
  await settled(stealer);
  stealer[Symbol.dispose]();
  await eventually(() => pod.agent.metrics.bypassedRequests.with(pod.port).value === 1, "the request does not pass");
  peer.write("def");
  await peer.until((text) => text.endsWith("POST / 6"));
  await eventually(() => listener.messages.some((one) => one.kind === "tcp" && one.value.kind === "close"), "the copy does not end");
  let body = "";
  for (const one of listener.messages) {
    if (one.kind !== "tcp" || one.value.kind !== "httpRequestChunked") continue;
    const part = one.value.value;
    if (part.kind === "startV2") body += payload(part.value.request.body.frames);
    if (part.kind === "body") body += payload(part.value.frames);
  }
  assert.equal(body, "abcdef");
  assert.equal(listener.messages.filter((one) => one.kind === "tcp" && one.value.kind === "close").length, 1);
});

for (const [what, ahead] of [
  ["", ""],
  [" and had sent another request ahead", GET("/ahead", MINE)],
  [" and had sent a good deal ahead", `${POST("/ahead", 20_000, MINE)}${"x".repeat(20_000)}`],
] as const) {
  test(`a client is told when the peer whose request it answers resets the connection${what}`, async () => {
    await using pod = await PodUnderTest.start(createServer());
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write(GET("/") + ahead);
    const { connectionId } = await nextStart(client);
    await settled(client);
    peer.socket.resetAndDestroy();
    assert.match((await client.next("logMessage")).value.message, /^Stolen connection 0 failed: incoming connection failed: .*ECONNRESET/);
    assert.deepEqual(await nextSteal(client), { kind: "close", value: { connectionId } });
    respond(client, connectionId, "too late");
    await settled(client);
    assert.ok(!client.messages.some(({ kind }) => kind === "tcpSteal"));
    client[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("a peer that reads nothing of a large answer does not hold up the client that gave it, and is cut off in the end", async () => {
  await using pod = await PodUnderTest.start(createServer(), { http: { ...httpLimits, stuckTimeoutMs: 600 } });
  using client = await pod.client();
  await pod.steal(client);
  using deaf = await pod.peer();
  deaf.socket.pause();
  deaf.write(GET("/"));
  const { connectionId } = await nextStart(client);
  respond(client, connectionId, Buffer.alloc(6 << 20));
  assert.equal(await nextClose(client), connectionId);
  await settled(client);
  using other = await pod.peer();
  other.write(GET("/other"));
  respond(client, (await nextStart(client)).connectionId, "other");
  await other.until((text) => text.endsWith("other"));
  await eventually(() => pod.agent.metrics.redirectedConnectionsCount.value === 1, "the peer is still there");
  for (const one of [other, client]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a peer that sends ahead without end is not read without end", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write(GET("/"));
  const { connectionId } = await nextStart(client);
  let sent = 0;
  peer.socket.on("drain", () => undefined);
  for (let i = 0; i < 400; i++) {
    peer.socket.write(Buffer.alloc(100_000, "x"));
    sent += 100_000;
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(pod.agent.budget.usedBytes < 200_000, `${pod.agent.budget.usedBytes} bytes of ${sent} are held`);
  respond(client, connectionId, "");
  assert.match(await peer.ended(), /431 Request Header Fields Too Large/);
});
