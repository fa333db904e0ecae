// What a client that only listens gets of redirected traffic, and what that costs others.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonTcp, HttpFilter, HttpHeaders } from "@understudy/protocol";
import { createFilterServices } from "../incoming/http/filter/filterServices.ts";
import { type Peer, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const MiB = 1024 * 1024;
const RAW = "\x00";

/** A target that counts the bytes of raw connections, and answers requests. */
function target(): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    let bytes = 0;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (chunk.subarray(0, 4).toString() === "GET ") socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    socket.on("end", () => socket.end(String(bytes)));
  });
}

async function subscribe(pod: PodUnderTest, client: Client, filter?: HttpFilter): Promise<void> {
  client.send({
    kind: "tcp",
    value:
      filter === undefined ? { kind: "portSubscribe", value: pod.port } : { kind: "portSubscribeFilteredHttp", value: [pod.port, filter] },
  });
  await client.next("tcp");
}

const get = (path: string, ...lines: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: shop\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;

async function ask(peer: Peer, request: string): Promise<void> {
  const { length } = peer.text;
  peer.write(request);
  await peer.until((text) => text.length > length && text.endsWith("ok"));
}

/** Everything that a client has got once nothing more comes. */
async function heard(client: Client): Promise<DaemonTcp[]> {
  client.send({ kind: "ping" });
  await client.next("pong");
  for (let count = -1; count !== client.messages.length; await sleep(80)) count = client.messages.length;
  return client.messages.splice(0).flatMap((message) => (message.kind === "tcp" ? [message.value] : []));
}

interface Copy {
  bytes: number;
  isClosed: boolean;
  hasEnd: boolean;
}

/** The copies of raw connections among messages. Fails where one is told of after its end. */
function copies(messages: readonly DaemonTcp[]): Copy[] {
  const all = new Map<number | bigint, Copy>();
  for (const message of messages) {
    if (message.kind === "newConnectionV2") {
      all.set(message.value.connection.connectionId, { bytes: 0, isClosed: false, hasEnd: false });
      continue;
    }
    if (message.kind !== "data" && message.kind !== "close") continue;
    const copy = all.get(message.value.connectionId);
    // A request.
    if (copy === undefined) continue;
    assert.equal(copy.isClosed, false);
    if (message.kind === "close") copy.isClosed = true;
    else if (message.value.bytes.length === 0) copy.hasEnd = true;
    else copy.bytes += message.value.bytes.length;
  }
  return [...all.values()];
}

async function upload(pod: PodUnderTest, bytes: number): Promise<void> {
  using peer = await pod.peer();
  peer.write(RAW);
  peer.socket.end(Buffer.alloc(bytes - 1));
  assert.equal(await peer.ended(), String(bytes));
}

function nextTexts(client: Client): string[] {
  return client.messages.flatMap((message) => (message.kind === "logMessage" ? [message.value.message] : []));
}

test("while a client does not read, requests are left out whole, none that has begun is cut, and it is told how many once a second", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  await subscribe(pod, client);
  client.socket.pause();
  using peer = await pod.peer();
  const padding = `X-Padding: ${"p".repeat(30_000)}`;
  const total = 500;
  const started = performance.now();
  let longestMs = 0;
  for (let i = 0; i < total; i++) {
    const at = performance.now();
    await ask(peer, get(`/${i}`, padding));
    longestMs = Math.max(longestMs, performance.now() - at);
  }
  const seconds = (performance.now() - started) / 1000;
  assert.ok(longestMs < 500, `a peer waited for ${longestMs} ms`);
  const missed = pod.agent.metrics.mirrorDroppedConnections.value;
  assert.ok(missed > 0);
  client.socket.resume();
  await sleep(1100);
  const texts = nextTexts(client);
  assert.ok(texts.length >= 1 && texts.length <= seconds + 2, texts.join("\n"));
  const told = texts.map((text) =>
    Number(/^Connections or requests not mirrored, since the client does not read fast enough: (\d+)$/.exec(text)?.[1]),
  );
  assert.equal(
    told.reduce((sum, count) => sum + count),
    missed,
  );
  const messages = await heard(client);
  const begun = messages.filter(({ kind }) => kind === "httpRequestChunked").length;
  assert.equal(begun, total - missed);
  assert.equal(messages.filter(({ kind }) => kind === "close").length, begun);
  // It has caught up, so it gets everything again.
  await ask(peer, get("/after"));
  assert.equal((await heard(client)).length, 2);
  assert.deepEqual(pod.agent.log.events, []);
});

test("a client that reads late gets whole connections, and nothing of those that came while it was behind", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  await subscribe(pod, client);
  client.socket.pause();
  const size = 512 * 1024;
  const total = 60;
  for (let i = 0; i < total; i++) await upload(pod, size);
  const missed = pod.agent.metrics.mirrorDroppedConnections.value;
  client.socket.resume();
  const got = copies(await heard(client));
  assert.ok(missed > 0 && got.length === total - missed, `${got.length} of ${total}, ${missed} missed`);
  assert.deepEqual(
    got.filter(({ bytes, isClosed, hasEnd }) => bytes !== size || !isClosed || !hasEnd),
    [],
  );
  assert.equal(pod.agent.metrics.mirrorDroppedBytes.value, 0);
});

test("a connection that is too much for a client that does not read is cut, once, at a bound", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  await subscribe(pod, client);
  client.socket.pause();
  await upload(pod, 32 * MiB);
  assert.ok(pod.agent.budget.usedBytes < 5 * MiB, String(pod.agent.budget.usedBytes));
  client.socket.resume();
  const [copy, ...others] = copies(await heard(client));
  assert.deepEqual(others, []);
  assert.equal(copy?.isClosed, true);
  assert.equal(copy?.hasEnd, false);
  assert.equal(pod.agent.metrics.mirrorConnectionSubscriptionCount.value, 0);
});

test("peers wait for a client that reads slowly, as long as they may, and its copies are complete", async () => {
  await using pod = await PodUnderTest.start(target(), { mirror: { samplePercent: 100, patienceMs: 10_000 } });
  using client = await pod.client();
  await subscribe(pod, client);
  client.socket.pause();
  const size = 24 * MiB;
  const done = upload(pod, size);
  await sleep(300);
  assert.ok(pod.agent.budget.usedBytes > 2 * MiB && pod.agent.budget.usedBytes < 5 * MiB, String(pod.agent.budget.usedBytes));
  client.socket.resume();
  await done;
  assert.deepEqual(copies(await heard(client)), [{ bytes: size, isClosed: true, hasEnd: true }]);
});

test("a client that does not read at all keeps a peer waiting once, and not for longer than it may", async () => {
  await using pod = await PodUnderTest.start(target(), { mirror: { samplePercent: 100, patienceMs: 100 } });
  using client = await pod.client();
  await subscribe(pod, client);
  client.socket.pause();
  const started = performance.now();
  await upload(pod, 24 * MiB);
  const firstMs = performance.now() - started;
  assert.ok(firstMs >= 100, String(firstMs));
  for (let i = 0; i < 5; i++) await upload(pod, MiB);
  assert.ok(performance.now() - started - firstMs < 1500);
});

test("a sample of the connections and of the requests is mirrored, as set, and the client is told", async () => {
  await using pod = await PodUnderTest.start(target(), { mirror: { samplePercent: 25, patienceMs: 0 } });
  using client = await pod.client();
  await subscribe(pod, client);
  assert.match((await client.next("logMessage")).value.message, /25 % of the connections and requests are mirrored/);
  using peer = await pod.peer();
  for (let i = 0; i < 20; i++) await ask(peer, get("/"));
  for (let i = 0; i < 8; i++) await upload(pod, 10);
  const messages = await heard(client);
  assert.equal(messages.filter(({ kind }) => kind === "httpRequestChunked").length, 5);
  assert.equal(copies(messages).length, 2);
  assert.equal(pod.agent.metrics.mirrorDroppedConnections.value, 0);
});

for (const who of ["target", "client"] as const) {
  test(`a mirrored request that the ${who} answers by an upgrade goes on as the peer's bytes, on the same id`, async () => {
    const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    const sockets: Socket[] = [];
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.once("data", () => socket.write(`${upgrade}hello`));
      socket.on("end", () => socket.end());
    });
    await using pod = await PodUnderTest.start(server);
    using listener = await pod.client();
    using client = await pod.client();
    await subscribe(pod, listener);
    if (who === "client") await pod.steal(client);
    using peer = await pod.peer();
    peer.write(get("/ws", "Connection: Upgrade", "Upgrade: echo"));
    if (who === "client") {
      await client.next("tcpSteal");
      const headers: HttpHeaders = [["upgrade", [Buffer.from("echo")]]];
      client.send({
        kind: "tcpSteal",
        value: {
          kind: "httpResponseFramed",
          value: {
            port: pod.port,
            connectionId: 0,
            requestId: 0,
            internalResponse: { status: 101, version: "HTTP/1.1", headers, body: [] },
          },
        },
      });
      client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId: 0, bytes: Buffer.from("hello") } } });
    }
    await peer.until((text) => text.endsWith("hello"));
    peer.write("one");
    await sleep(20);
    peer.socket.end("two");
    if (who === "client") client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId: 0, bytes: new Uint8Array(0) } } });
    await peer.ended();
    const messages = await heard(listener);
    const ids = messages.map(({ kind, value }) => [
      kind,
      kind === "data" ? Buffer.from((value as { bytes: Uint8Array }).bytes).toString() : null,
    ]);
    assert.deepEqual(ids, [
      ["httpRequestChunked", null],
      ["data", "one"],
      ["data", "two"],
      ["data", ""],
      ["close", null],
    ]);
  });
}

test("a request that asked for an upgrade and did not get one ends with its exchange", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  await subscribe(pod, client);
  using peer = await pod.peer();
  await ask(peer, get("/ws", "Connection: Upgrade", "Upgrade: echo"));
  await ask(peer, get("/next"));
  assert.deepEqual(
    (await heard(client)).map(({ kind }) => kind),
    ["httpRequestChunked", "close", "httpRequestChunked", "close"],
  );
  assert.equal(pod.agent.metrics.mirrorConnectionSubscriptionCount.value, 0);
});

test("with a filter only requests that match are mirrored, and a plain subscription later does not widen it", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  await subscribe(pod, client, { kind: "path", value: "^/mine" });
  await subscribe(pod, client);
  using peer = await pod.peer();
  await ask(peer, get("/yours"));
  await ask(peer, get("/mine"));
  await upload(pod, 10);
  const messages = await heard(client);
  assert.deepEqual(
    messages.map(({ kind }) => kind),
    ["httpRequestChunked", "close"],
  );
});

test("a client of an older version gets raw connections in its form, and of requests a text only", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client("1.19.3");
  await subscribe(pod, client);
  await upload(pod, 10);
  using peer = await pod.peer();
  await ask(peer, get("/"));
  assert.match(
    (await client.next("logMessage")).value.message,
    /^An HTTP request was not mirrored due to mirrord-protocol version requirement: >=1\.19\.4$/,
  );
  assert.deepEqual(
    (await heard(client)).map(({ kind }) => kind).filter((kind, at, all) => kind !== "data" || all[at - 1] !== "data"),
    ["newConnectionV1", "data", "close"],
  );
});

test("a filter that does not compile is answered by a close with the reason", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  client.send({ kind: "tcp", value: { kind: "portSubscribeFilteredHttp", value: [pod.port, { kind: "path", value: "(" }] } });
  assert.match((await client.next("close")).value, /^Failed to parse the given HTTP filter: /);
  assert.deepEqual([...pod.redirected], []);
  assert.deepEqual(pod.agent.log.events, []);
});

test("after a client gives up a connection it hears nothing more of it, and the connection goes on", async () => {
  await using pod = await PodUnderTest.start(target());
  using client = await pod.client();
  await subscribe(pod, client);
  using peer = await pod.peer();
  peer.write(`${RAW}one`);
  const { value: first } = await client.next("tcp");
  assert.equal(first.kind, "newConnectionV2");
  await client.next("tcp");
  client.send({ kind: "tcp", value: { kind: "connectionUnsubscribe", value: 0 } });
  assert.deepEqual(await heard(client), []);
  peer.socket.end("two");
  assert.equal(await peer.ended(), "7");
  assert.deepEqual(await heard(client), []);
  assert.equal(pod.agent.metrics.mirrorConnectionSubscriptionCount.value, 0);
});

test("gauges count ports and copies, and filters are let go when they are replaced or their client leaves", async () => {
  let compiled = 0;
  let disposed = 0;
  const jq = {
    compile: () => {
      compiled += 1;
      return Promise.resolve({ matches: () => Promise.resolve(false), [Symbol.dispose]: () => void (disposed += 1) });
    },
  };
  await using pod = await PodUnderTest.start(target(), { filters: createFilterServices({ jq }) });
  const { metrics } = pod.agent;
  const counts = (): number[] => [
    metrics.mirrorPortSubscriptionCount.value,
    metrics.stealFilteredPortSubscriptionCount.value,
    metrics.stealUnfilteredPortSubscriptionCount.value,
    compiled,
    disposed,
  ];
  const filter: HttpFilter = { kind: "headerJq", value: "true" };
  const stealFiltered = {
    kind: "tcpSteal",
    value: { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [pod.port, filter] } },
  } as const;
  using client = await pod.client();
  using other = await pod.client();
  await subscribe(pod, client, filter);
  assert.deepEqual(counts(), [1, 0, 0, 1, 0]);
  await subscribe(pod, client, filter);
  assert.deepEqual(counts(), [1, 0, 0, 2, 1]);
  for (const one of [client, other]) {
    one.send(stealFiltered);
    await one.next("tcpSteal");
  }
  assert.deepEqual(counts(), [1, 2, 0, 4, 1]);
  await pod.steal(other);
  assert.deepEqual(counts(), [1, 0, 1, 4, 3]);
  client.send({ kind: "tcp", value: { kind: "portUnsubscribe", value: pod.port } }, { kind: "ping" });
  await heard(client);
  assert.deepEqual(counts(), [0, 0, 1, 4, 4]);
  const left = once(other.socket, "close");
  other.socket.destroy();
  await left;
  while (metrics.stealUnfilteredPortSubscriptionCount.value > 0) await sleep(5);
  assert.deepEqual(counts(), [0, 0, 0, 4, 4]);
});
