// Redirected connections that carry no requests: passed through, stolen as a whole, and mirrored beside either.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonTcp } from "@understudy/protocol";
import { type Peer, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const MiB = 1024 * 1024;
/** The first byte of no request line. */
const RAW = "\x00";

/** A target that hands out its connections. */
function target(): { server: Server; next: () => Promise<Socket> } {
  const waiting: Socket[] = [];
  let onSocket: ((socket: Socket) => void) | null = null;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => undefined);
    if (onSocket === null) waiting.push(socket);
    else onSocket(socket);
    onSocket = null;
  });
  const next = (): Promise<Socket> => {
    const first = waiting.shift();
    return first === undefined ? new Promise((resolve) => (onSocket = resolve)) : Promise.resolve(first);
  };
  return { server, next };
}

/** Bytes that are nowhere the same for long. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((Math.imul(at + seed, 2654435761) | 1) >>> 0, at);
  bytes[0] = 0;
  return bytes;
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function mirror(pod: PodUnderTest, client: Client): Promise<void> {
  client.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await client.next("tcp");
}

/** Bytes and end of one connection, as a client hears of them. */
async function hear(client: Client, role: "tcp" | "tcpSteal"): Promise<{ bytes: Buffer; kinds: string[] }> {
  const chunks: Uint8Array[] = [];
  const kinds: string[] = [];
  for (;;) {
    const { value: message }: { value: DaemonTcp } = await client.next(role);
    if (message.kind === "data" && message.value.bytes.length > 0) {
      chunks.push(message.value.bytes);
      if (kinds.at(-1) !== "data") kinds.push("data");
      continue;
    }
    kinds.push(message.kind === "data" ? "end" : message.kind);
    if (message.kind === "close") return { bytes: Buffer.concat(chunks), kinds };
  }
}

async function nextConnection(client: Client): Promise<number | bigint> {
  for (;;) {
    const { value } = await client.next("tcpSteal");
    if (value.kind === "newConnectionV2") return value.value.connection.connectionId;
  }
}

function sendData(client: Client, connectionId: number | bigint, bytes: Uint8Array): void {
  client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes } } });
}

function codeOf({ error }: Peer): string | undefined {
  return error !== null && "code" in error ? String(error.code) : undefined;
}

/** Until the agent has nothing of a peer any more. */
async function assertGone(pod: PodUnderTest, withinMs = 2000): Promise<void> {
  const end = performance.now() + withinMs;
  while (pod.agent.metrics.redirectedConnectionsCount.value > 0 && performance.now() < end) await sleep(10);
  assert.equal(pod.agent.metrics.redirectedConnectionsCount.value, 0);
}

test("a reset passes through as a reset, from either side", async () => {
  const { server, next } = target();
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  {
    using peer = await pod.peer();
    peer.write(RAW);
    const socket = await next();
    await once(socket, "data");
    const failed = new Promise<Error>((resolve) => socket.once("error", resolve));
    peer.socket.resetAndDestroy();
    assert.equal(((await failed) as NodeJS.ErrnoException).code, "ECONNRESET");
  }
  using peer = await pod.peer();
  peer.write(RAW);
  const socket = await next();
  socket.resetAndDestroy();
  await peer.ended();
  assert.equal(codeOf(peer), "ECONNRESET");
  await assertGone(pod);
  assert.deepEqual(pod.agent.log.events, []);
});

test("an end passes through as an end of that direction only, whichever side is first", async () => {
  const { server, next } = target();
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  {
    using peer = await pod.peer();
    peer.socket.end(`${RAW}question`);
    const socket = await next();
    assert.equal((await readAll(socket)).toString(), `${RAW}question`);
    await sleep(20);
    socket.end("answer");
    assert.equal(await peer.ended(), "answer");
    assert.equal(peer.hasEnded, true);
  }
  using peer = await pod.peer();
  peer.write(RAW);
  const socket = await next();
  socket.end("greeting");
  assert.equal(await peer.ended(), "greeting");
  await sleep(20);
  peer.socket.end("late");
  assert.equal((await readAll(socket)).toString(), `${RAW}late`);
  await assertGone(pod);
});

for (const isMirrored of [false, true]) {
  test(`8 MiB pass through each way at once, though the target writes all before it reads${isMirrored ? ", with a mirror" : ""}`, async () => {
    const { server, next } = target();
    await using pod = await PodUnderTest.start(server);
    using client = await pod.client();
    if (isMirrored) await mirror(pod, client);
    else await pod.steal(client, "^x-user: me$");
    const up = pattern(8 * MiB, 1);
    const down = pattern(8 * MiB, 2);
    using peer = await pod.peer();
    peer.socket.end(up);
    const socket = await next();
    socket.pause();
    await new Promise<void>((resolve) => socket.end(down, () => resolve()));
    assert.equal(digest(await readAll(socket)), digest(up));
    await peer.ended();
    assert.equal(digest(peer.bytes), digest(down));
    if (isMirrored) {
      const heard = await hear(client, "tcp");
      assert.deepEqual(heard.kinds, ["newConnectionV2", "data", "end", "close"]);
      assert.equal(digest(heard.bytes), digest(up));
    }
  });

  test(`8 MiB go each way at once between a peer and the client that steals it${isMirrored ? ", with a mirror" : ""}`, async () => {
    const { server } = target();
    await using pod = await PodUnderTest.start(server);
    using client = await pod.client();
    using listener = await pod.client();
    await pod.steal(client);
    if (isMirrored) await mirror(pod, listener);
    const up = pattern(8 * MiB, 1);
    const down = pattern(8 * MiB, 2);
    using peer = await pod.peer();
    peer.write(RAW);
    const id = await nextConnection(client);
    // The client writes without reading.
    client.socket.pause();
    peer.socket.end(up);
    for (let at = 0; at < down.length; at += 64 * 1024) sendData(client, id, down.subarray(at, at + 64 * 1024));
    sendData(client, id, new Uint8Array(0));
    await peer.ended();
    assert.equal(digest(peer.bytes), digest(down));
    client.socket.resume();
    const heard = await hear(client, "tcpSteal");
    assert.equal(digest(heard.bytes.subarray(1)), digest(up));
    if (isMirrored) assert.equal(digest((await hear(listener, "tcp")).bytes.subarray(1)), digest(up));
    await assertGone(pod);
  });
}

test("a peer that resets a stolen connection: its client is told why, then that it is closed", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write(RAW);
  const id = await nextConnection(client);
  await client.next("tcpSteal");
  peer.socket.resetAndDestroy();
  assert.match((await client.next("logMessage")).value.message, new RegExp(`^Stolen connection ${id} failed: .*ECONNRESET`));
  assert.deepEqual((await client.next("tcpSteal")).value, { kind: "close", value: { connectionId: id } });
  assert.deepEqual(pod.agent.log.events, []);
});

test("a client that gives up a connection, or leaves, ends it for the peer, which is let go even if it does nothing", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  using leaving = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write(RAW);
  const id = await nextConnection(client);
  client.send({ kind: "tcpSteal", value: { kind: "connectionUnsubscribe", value: id } });
  await peer.ended();
  assert.equal(peer.hasEnded, true);
  // Nothing more is heard of it, though it is still there.
  peer.write("more");
  client.send({ kind: "ping" });
  await client.next("pong");
  const heard = client.messages.map((message) => (message.kind === "tcpSteal" ? message.value.kind : message.kind));
  assert.deepEqual(heard, ["data"]);

  await pod.steal(leaving);
  using other = await pod.peer();
  other.write(RAW);
  await nextConnection(leaving);
  leaving.socket.destroy();
  await other.ended();
  assert.equal(other.hasEnded, true);
  await assertGone(pod, 8000);
});

test("a client that does not read pauses the peers of its own connections, and nobody else waits", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server);
  using deaf = await pod.client();
  await pod.steal(deaf);
  using busy = await pod.peer();
  busy.write(RAW);
  await nextConnection(deaf);
  deaf.socket.pause();
  const bytes = Buffer.alloc(256 * 1024);
  while (busy.socket.write(bytes)) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 200; turn++) {
    busy.socket.write(bytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await sleep(100);
  assert.ok(busy.socket.writableLength > 16 * MiB, "the peer was read without a bound");
  assert.ok(pod.agent.budget.usedBytes < MiB, String(pod.agent.budget.usedBytes));
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write("GET / HTTP/1.1\r\nHost: shop\r\nX-User: me\r\n\r\n");
  await client.next("tcpSteal");
});

test("subscribing and unsubscribing under a steady stream of connections loses none: the client or the target answers each", async () => {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.end("target"));
  });
  await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 50 });
  using client = await pod.client();
  await pod.steal(client);
  const over = new AbortController();
  const stolen = (async () => {
    while (!over.signal.aborted) {
      const { value } = await client.next("tcpSteal");
      if (value.kind !== "newConnectionV2") continue;
      const { connectionId } = value.value.connection;
      sendData(client, connectionId, Buffer.from("client"));
      sendData(client, connectionId, new Uint8Array(0));
    }
  })().catch(() => undefined);
  const answers = { client: 0, target: 0 };
  const stream = (async () => {
    while (!over.signal.aborted) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          using peer = await pod.peer();
          peer.write(`${RAW}question`);
          const text = await peer.ended();
          assert.ok(text === "client" || text === "target", `got ${JSON.stringify(text)}: ${String(peer.error)}`);
          answers[text] += 1;
        }),
      );
    }
  })();
  const subscribe = { kind: "tcpSteal", value: { kind: "portSubscribe", value: { kind: "all", value: pod.port } } } as const;
  for (let turn = 0; turn < 40 || answers.client < 20 || answers.target < 20; turn++) {
    client.send({ kind: "tcpSteal", value: { kind: "portUnsubscribe", value: pod.port } });
    await sleep(5);
    client.send(subscribe);
    await sleep(turn % 2 === 0 ? 5 : 15);
  }
  over.abort();
  await stream;
  client.socket.destroy();
  await stolen;
  assert.deepEqual(pod.agent.log.events, []);
});

test("a refused raw connection is reset, its mirror is told why, and the admin once in a while", async () => {
  const { server } = target();
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await mirror(pod, client);
  server.close();
  for (let turn = 0; turn < 3; turn++) {
    using peer = await pod.peer();
    peer.write(RAW);
    await peer.ended();
    assert.equal(codeOf(peer), "ECONNRESET");
    assert.match((await client.next("logMessage")).value.message, new RegExp(`^Mirrored connection ${turn} failed: .*ECONNREFUSED`));
    assert.deepEqual((await hear(client, "tcp")).kinds, ["newConnectionV2", "data", "close"]);
  }
  assert.ok(pod.agent.log.events.every(({ code }) => code === "PASSTHROUGH_FAILED"));
});
