// How long it takes until it is known what is spoken on a redirected connection, and what becomes of its first bytes.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

/** Never reached by a test that passes. */
const LONG_MS = 60_000;
const HEAD = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

/** A target that keeps what it gets, connection by connection. */
function target(onConnection: (socket: Socket) => void = () => undefined): { server: ReturnType<typeof createServer>; received: string[] } {
  const received: string[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const at = received.push("") - 1;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      received[at] += chunk.toString("latin1");
      if (chunk.includes("\r\n\r\n")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    socket.on("end", () => socket.end());
    onConnection(socket);
  });
  return { server, received };
}

async function nextStolen(client: Client): Promise<{ kind: string; id: number | bigint }> {
  for (;;) {
    const { value } = await client.next("tcpSteal");
    if (value.kind === "newConnectionV2") return { kind: "connection", id: value.value.connection.connectionId };
    if (value.kind === "httpRequestChunked" && value.value.kind === "startV2")
      return { kind: "request", id: value.value.value.connectionId };
  }
}

test("a target that speaks first is heard at once while nobody steals the whole port, over one connection", async () => {
  const { server, received } = target((socket) => socket.write("220 hello\r\n"));
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  await peer.until((text) => text === "220 hello\r\n");
  peer.socket.end("HELO me\r\n");
  await peer.ended();
  assert.deepEqual(received, ["HELO me\r\n"]);
});

test("a peer that thinks before its request is still judged, and the target gets no second connection for it", async () => {
  const { server, received } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  // Until the target was asked, and longer.
  while (received.length === 0) await sleep(5);
  await sleep(20);
  peer.write("GET / HTTP/1.1\r\nHost: shop\r\nX-User: me\r\n\r\n");
  assert.equal((await nextStolen(client)).kind, "request");
  using other = await pod.peer();
  while (received.length === 1) await sleep(5);
  other.write(HEAD);
  await other.until((text) => text.endsWith("ok"));
  assert.deepEqual(received, ["", HEAD]);
});

test("a target that is not there says nothing of what is spoken: a late request is still stolen", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  server.close();
  using peer = await pod.peer();
  await sleep(100);
  peer.write("GET / HTTP/1.1\r\nHost: shop\r\nX-User: me\r\n\r\n");
  assert.equal((await nextStolen(client)).kind, "request");
  assert.deepEqual(pod.agent.log.events, []);
});

test("a target that begins as HTTP/2 servers do, before its peer: the late request is still judged", async () => {
  const settings = Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]);
  const { server, received } = target((socket) => socket.write(settings));
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  while (received.length === 0) await sleep(5);
  await sleep(20);
  peer.write("GET / HTTP/1.1\r\nHost: shop\r\nX-User: me\r\n\r\n");
  assert.equal((await nextStolen(client)).kind, "request");
});

test("a target that ends or resets a silent connection does so to its peer", async () => {
  for (const does of ["end", "resetAndDestroy"] as const) {
    const { server } = target((socket) => setTimeout(() => socket[does](), 50));
    await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS });
    using client = await pod.client();
    await pod.steal(client, "^x-user: me$");
    using peer = await pod.peer();
    await peer.ended();
    assert.equal(peer.hasEnded, does === "end");
    assert.equal(peer.error === null ? null : (peer.error as NodeJS.ErrnoException).code, does === "end" ? null : "ECONNRESET");
  }
});

test("the target of a port that is stolen as a whole is never asked, and silence ends sooner once the client was the first to speak three times", async () => {
  const { server, received } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 500 });
  using client = await pod.client();
  await pod.steal(client);
  const waits: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    using peer = await pod.peer();
    const start = performance.now();
    const { kind, id } = await nextStolen(client);
    waits.push(performance.now() - start);
    assert.equal(kind, "connection");
    client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId: id, bytes: Buffer.from("220\r\n") } } });
    await peer.until((text) => text === "220\r\n");
    peer.write("HELO\r\n");
    await client.next("tcpSteal");
  }
  assert.ok(waits.slice(0, 3).every((ms) => ms >= 490));
  assert.ok(
    waits.slice(3).every((ms) => ms < 400),
    waits.join(" "),
  );
  assert.deepEqual(received, []);
});

test("one request makes a port patient again", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 300 });
  using client = await pod.client();
  await pod.steal(client);
  for (let turn = 0; turn < 3; turn++) {
    using peer = await pod.peer();
    const { id } = await nextStolen(client);
    client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId: id, bytes: Buffer.from("220\r\n") } } });
    await peer.until((text) => text === "220\r\n");
    peer.write("HELO\r\n");
    await client.next("tcpSteal");
  }
  using asking = await pod.peer();
  asking.write(HEAD);
  assert.equal((await nextStolen(client)).kind, "request");
  using late = await pod.peer();
  await sleep(200);
  late.write(HEAD);
  assert.equal((await nextStolen(client)).kind, "request");
});

test("without the quick way only silence is a verdict", async () => {
  const { server, received } = target((socket) => socket.write("220 hello\r\n"));
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 300, detectsQuickly: false });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  const start = performance.now();
  await sleep(150);
  assert.deepEqual(received, []);
  await peer.until((text) => text === "220 hello\r\n");
  assert.ok(performance.now() - start >= 290);
});

test("with no time to wait, what is there decides, and a connection on which there is nothing is raw at once", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 0, detectsQuickly: false });
  using client = await pod.client();
  await pod.steal(client);
  for (let turn = 0; turn < 50; turn++) {
    using asking = await pod.peer(HEAD);
    assert.equal((await nextStolen(client)).kind, "request");
    asking.socket.destroy();
  }
  using _silent = await pod.peer();
  assert.equal((await nextStolen(client)).kind, "connection");
  const { detectedConnections } = pod.agent.metrics;
  assert.deepEqual([detectedConnections.with("http1").value, detectedConnections.with("other").value], [50, 1]);
});

test("a peer that sends a byte now and then is undecided for a limited time, and each byte arrives", async () => {
  const { server, received } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 60 });
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  const start = performance.now();
  const stolen = nextStolen(client);
  let sent = "";
  const decided = stolen.then(() => true);
  do {
    peer.write("G");
    sent += "G";
  } while (!(await Promise.race([decided, sleep(30, false)])));
  const tookMs = performance.now() - start;
  assert.ok(tookMs >= 290 && tookMs < 600, String(tookMs));
  let got = "";
  while (got.length < sent.length) {
    const { value } = await client.next("tcpSteal");
    if (value.kind === "data") got += Buffer.from(value.value.bytes).toString();
  }
  assert.equal(got, sent);
  assert.deepEqual(received, []);
});

test("what could be a request line for more bytes than allowed is none", async () => {
  const { server, received } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS, detectionMaxBytes: 4096 });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  const text = `GET /${"x".repeat(5000)}`;
  peer.write(text);
  while (received[0]?.length !== text.length) await sleep(5);
  assert.deepEqual(received, [text]);
});

test("empty lines before a request do not hide it, and pass through as they are", async () => {
  const { server, received } = target();
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: LONG_MS });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using passed = await pod.peer();
  passed.write("\r");
  await sleep(10);
  passed.write(`\n${HEAD}`);
  await passed.until((text) => text.endsWith("ok"));
  assert.deepEqual(received, [`\r\n${HEAD}`]);
  using stolen = await pod.peer();
  stolen.write("\r\nGET / HTTP/1.1\r\nHost: shop\r\nX-User: me\r\n\r\n");
  assert.equal((await nextStolen(client)).kind, "request");
});
