// Outgoing connections through a whole session, since what they promise depends on its back pressure.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { DaemonMessage, SocketAddress } from "@understudy/protocol";
import { AgentUnderTest, type Client, listening, portOf } from "./sessionFixture.ts";

function loopback(port: number): SocketAddress {
  return { kind: "ip", value: { ip: "127.0.0.1", port } };
}

async function connectTcp(client: Client, port: number): Promise<number> {
  client.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 7n, remoteAddress: loopback(port) } } });
  const { value } = await client.next("tcpOutgoing");
  assert.ok(value.kind === "connectV2" && value.value.connect.kind === "ok");
  assert.equal(value.value.uid, 7n);
  return Number(value.value.connect.value.connectionId);
}

/** Numbers 0, 1, 2 … as 32-bit words: a lost, repeated or swapped piece shows. */
function countedWords(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = i;
  return Buffer.from(words.buffer);
}

async function* reads(client: Client): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { value } = await client.next("tcpOutgoing");
    if (value.kind === "close") return;
    if (value.kind === "read" && value.value.kind === "ok") yield value.value.value.bytes;
  }
}

function tcpOf(messages: readonly DaemonMessage[]): string[] {
  return messages.filter((message) => message.kind === "tcpOutgoing").map(({ value }) => value.kind);
}

for (const size of [1000, 16 * 1024, 64 * 1024, 300_000]) {
  test(`8 MiB in writes of ${size} bytes reach a reader that starts late exactly as they were sent`, async () => {
    const expected = countedWords(8 << 20);
    const received = Promise.withResolvers<Buffer>();
    const server = await listening(
      createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
        const chunks: Buffer[] = [];
        socket.on("data", (chunk: Buffer) => chunks.push(chunk));
        socket.on("end", () => {
          socket.end();
          received.resolve(Buffer.concat(chunks));
        });
        // Late, by then the way from the client to here is full.
        setTimeout(() => socket.resume(), 300);
      }),
    );
    await using agent = await AgentUnderTest.start();
    using client = await agent.client();
    const connectionId = await connectTcp(client, portOf(server));
    for (let at = 0; at < expected.length; at += size) {
      client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: expected.subarray(at, at + size) } } });
    }
    client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: new Uint8Array(0) } } });
    assert.ok((await received.promise).equals(expected));
    server.close();
  });
}

test("8 MiB from a peer reach a client that starts to read late exactly as they were sent", async () => {
  const expected = countedWords(8 << 20);
  const server = await listening(createServer((socket) => socket.end(expected)));
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const connectionId = await connectTcp(client, portOf(server));
  client.socket.pause();
  setTimeout(() => client.socket.resume(), 300);
  const chunks: Uint8Array[] = [];
  for await (const bytes of reads(client)) {
    chunks.push(bytes);
    if (bytes.length === 0) client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes } } });
  }
  assert.ok(Buffer.concat(chunks).equals(expected));
  server.close();
});

test("several connections in both directions at once stay exact and apart", async () => {
  const server = await listening(createServer({ allowHalfOpen: true }, (socket: Socket) => socket.pipe(socket)));
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const count = 8;
  const bytesEach = 1 << 20;
  const ids = new Map<number | bigint, { salt: number; got: Buffer[] }>();
  for (let salt = 1; salt <= count; salt++) ids.set(await connectTcp(client, portOf(server)), { salt, got: [] });
  const payload = (salt: number): Buffer => countedWords(bytesEach).map((byte) => byte ^ salt) as Buffer;
  for (const [connectionId, { salt }] of ids) {
    const bytes = payload(salt);
    for (let at = 0; at < bytes.length; at += 50_000) {
      client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: bytes.subarray(at, at + 50_000) } } });
    }
    client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: new Uint8Array(0) } } });
  }
  for (let open = count; open > 0;) {
    const { value } = await client.next("tcpOutgoing");
    if (value.kind === "close") open -= 1;
    else if (value.kind === "read" && value.value.kind === "ok")
      ids.get(value.value.value.connectionId)!.got.push(Buffer.from(value.value.value.bytes));
  }
  for (const { salt, got } of ids.values()) assert.ok(Buffer.concat(got).equals(payload(salt)));
  server.close();
});

test("both ends may end their own direction, and the connection closes after both", async () => {
  const server = await listening(
    createServer({ allowHalfOpen: true }, (socket) => socket.on("end", () => socket.end("after your end")).resume()),
  );
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const connectionId = await connectTcp(client, portOf(server));
  client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: new Uint8Array(0) } } });
  const got: string[] = [];
  for await (const bytes of reads(client)) got.push(Buffer.from(bytes).toString());
  // The close says that the peer has ended, too.
  assert.deepEqual(got, ["after your end"]);
  assert.equal(agent.metrics.tcpOutgoingConnectionCount.value, 0);
  server.close();
});

test("a client's close is not answered, and what it wrote still arrives", async () => {
  const received = Promise.withResolvers<string>();
  const server = await listening(
    createServer((socket) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      socket.on("end", () => received.resolve(text));
    }),
  );
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const connectionId = await connectTcp(client, portOf(server));
  client.send(
    { kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: Buffer.from("last words") } } },
    { kind: "tcpOutgoing", value: { kind: "close", value: { connectionId } } },
  );
  assert.equal(await received.promise, "last words");
  client.send({ kind: "ping" });
  await client.next("pong");
  assert.deepEqual(tcpOf(client.messages), []);
  server.close();
});

test("a refused connect is answered with the errno and logged for nobody", async () => {
  const server = await listening(createServer());
  const port = portOf(server);
  server.close();
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 1n, remoteAddress: loopback(port) } } });
  const { value } = await client.next("tcpOutgoing");
  assert.deepEqual(value, {
    kind: "connectV2",
    value: {
      uid: 1n,
      connect: { kind: "err", value: { kind: "remoteIO", value: { rawOsError: 111, kind: { kind: "connectionRefused" } } } },
    },
  });
  assert.deepEqual(agent.log.events, []);
});

test("connects without an id are answered in their order, also when one fails", async () => {
  const server = await listening(createServer());
  const closed = await listening(createServer());
  const closedPort = portOf(closed);
  closed.close();
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  for (const port of [portOf(server), closedPort, portOf(server)]) {
    client.send({ kind: "tcpOutgoing", value: { kind: "connect", value: { remoteAddress: loopback(port) } } });
  }
  const outcomes: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { value } = await client.next("tcpOutgoing");
    assert.ok(value.kind === "connect");
    outcomes.push(value.value.kind);
  }
  assert.deepEqual(outcomes, ["ok", "err", "ok"]);
  server.close();
});

test("a reset by the peer is told to the client's user and closes the connection", async () => {
  const server = await listening(createServer((socket) => socket.once("data", () => socket.resetAndDestroy())));
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "switchProtocolVersion", value: "1.29.0" }, { kind: "readyForLogs" });
  const connectionId = await connectTcp(client, portOf(server));
  client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: Buffer.from("x") } } });
  assert.match((await client.next("logMessage")).value.message, /^outgoing connection 0 failed: .*TcpOrUnixConnection\)$/);
  assert.equal((await client.next("tcpOutgoing")).value.kind, "close");
  assert.deepEqual(agent.log.events, []);
  server.close();
});

test("a stuck peer holds up its own session's writes only, and pings of other sessions go on", async () => {
  const server = await listening(createServer({ pauseOnConnect: true }));
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  using other = await agent.client();
  const connectionId = await connectTcp(client, portOf(server));
  for (let i = 0; i < 256; i++) {
    client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: new Uint8Array(64 * 1024) } } });
  }
  for (let i = 0; i < 20; i++) {
    other.send({ kind: "ping" });
    await other.next("pong");
  }
  server.close();
});

test("datagrams keep their boundaries both ways, and the last one of a closed socket is not answered", async () => {
  const echo = createSocket("udp4").bind(0, "127.0.0.1");
  await once(echo, "listening");
  echo.on("message", (bytes, from) => echo.send(bytes, from.port, from.address));
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const remoteAddress = loopback(echo.address().port);
  client.send({ kind: "udpOutgoing", value: { kind: "connectV2", value: { uid: 3n, remoteAddress } } });
  const answer = await client.next("udpOutgoing");
  assert.ok(answer.value.kind === "connectV2" && answer.value.value.connect.kind === "ok");
  const { connectionId } = answer.value.value.connect.value;
  const datagrams = [Buffer.from("one"), Buffer.alloc(1400, 2), Buffer.alloc(9000, 3)];
  for (const bytes of datagrams) client.send({ kind: "udpOutgoing", value: { kind: "write", value: { connectionId, bytes } } });
  for (const bytes of datagrams) {
    const { value } = await client.next("udpOutgoing");
    assert.ok(value.kind === "read" && value.value.kind === "ok");
    assert.ok(bytes.equals(value.value.value.bytes));
  }
  client.send({ kind: "udpOutgoing", value: { kind: "close", value: { connectionId } } }, { kind: "ping" });
  await client.next("pong");
  assert.equal(agent.metrics.udpOutgoingConnectionCount.value, 0);
  echo.close();
});
