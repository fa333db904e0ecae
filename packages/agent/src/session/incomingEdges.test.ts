// Redirected traffic where several things happen at once or somebody misbehaves: early answers, peers and targets that leave or do not read, bytes
// sent ahead. What matters is that every byte arrives once, and that nothing is left over.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import {
  GET,
  type Id,
  MINE,
  OK,
  assertGivenBack,
  manualTarget,
  nextClose,
  nextStart,
  nextSteal,
  respond,
  settled,
  steal,
} from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

async function mirror(pod: PodUnderTest, client: Client): Promise<void> {
  client.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await client.next("tcp");
}

test("a target that answers before the request's body is there can be asked again on the same connection", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  peer.write("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  const socket = await target.next();
  await socket.until((text) => text.endsWith("ab"));
  socket.socket.write(OK);
  await peer.until((text) => text.endsWith("target"));
  peer.write(`cd${GET("/2")}`);
  await socket.until((text) => text.includes("GET /2"));
  socket.socket.write(OK);
  await peer.until((text) => text === OK + OK);
  peer[Symbol.dispose]();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

for (const [what, act] of [
  ["resets", (socket: Socket) => socket.resetAndDestroy()],
  ["ends", (socket: Socket) => socket.end()],
  ["sends a time-out of its own and ends", (socket: Socket) => socket.end("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")],
] as const) {
  test(`a target that ${what} while a client answers does not concern the stolen request`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client();
    await pod.steal(client, `^${MINE}$`);
    using peer = await pod.peer();
    peer.write(GET("/passed"));
    const { socket } = await target.next();
    socket.write(OK);
    await peer.until((text) => text.endsWith("target"));
    peer.write(GET("/stolen", MINE));
    const { connectionId } = await nextStart(client);
    act(socket);
    await new Promise((resolve) => setTimeout(resolve, 30));
    respond(client, connectionId, "mine");
    await peer.until((text) => text.endsWith("mine"));
    assert.ok(!peer.text.includes("408"));
    assert.equal(await nextClose(client, "tcpSteal"), connectionId);
    peer.write(GET("/again"));
    const again = await target.next();
    await again.until((text) => text.includes("/again"));
    again.socket.write(OK);
    await peer.until((text) => text.endsWith("target"));
    peer[Symbol.dispose]();
    client[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("peers that leave with most of their answer unread do not hold up the client that answered", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using client = await pod.client();
  await pod.steal(client);
  const big = Buffer.alloc(6 << 20);
  for (let i = 0; i < 3; i++) {
    const peer = await pod.peer();
    peer.socket.pause();
    peer.write(GET("/"));
    const { connectionId } = await nextStart(client);
    respond(client, connectionId, big);
    assert.equal(await nextClose(client, "tcpSteal"), connectionId);
    if (i === 0) peer.socket.resetAndDestroy();
    else peer[Symbol.dispose]();
  }
  await settled(client);
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("answers to requests sent ahead that wait for a slow peer are counted until they have left, and no longer", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.socket.pause();
  peer.write(GET("/1") + GET("/2") + GET("/3"));
  const first = await nextStart(client);
  respond(client, first.connectionId, Buffer.alloc(6 << 20, "1"));
  const second = await nextStart(client);
  respond(client, second.connectionId, "2");
  client.send({ kind: "ping" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(!client.messages.some(({ kind }) => kind === "pong"), "a client is not read from while its peers have too much to take");
  peer.socket.resume();
  await client.next("pong");
  respond(client, (await nextStart(client)).connectionId, "3");
  await settled(client);
  await peer.until((text) => text.endsWith("3"));
  peer[Symbol.dispose]();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

for (const who of ["target", "client"] as const) {
  test(`a peer that reads slowly gets the whole last answer of the ${who}`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client();
    await pod.steal(client, `^${MINE}$`);
    using peer = await pod.peer();
    peer.socket.pause();
    const big = Buffer.alloc(7 << 20, "x");
    peer.write(GET("/", "Connection: close", ...(who === "client" ? [MINE] : [])));
    if (who === "client") respond(client, (await nextStart(client)).connectionId, big);
    else {
      const { socket } = await target.next();
      socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${big.length}\r\n\r\n`);
      socket.end(big);
    }
    await new Promise((resolve) => setTimeout(resolve, 2600)); // longer than an idle peer has to leave
    peer.socket.resume();
    await peer.ended();
    assert.equal(peer.bytes.length - peer.bytes.indexOf("\r\n\r\n") - 4, big.length);
    peer[Symbol.dispose]();
    client[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("the copy of a stolen raw connection goes on when the client that answers leaves, and ends with the peer", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using stealer = await pod.client();
  using listener = await pod.client();
  await pod.steal(stealer);
  await mirror(pod, listener);
  using peer = await pod.peer();
  peer.write("\x00raw");
  await nextSteal(stealer);
  stealer[Symbol.dispose]();
  await peer.ended();
  peer.socket.end("more");
  let text = "";
  for (let message = (await listener.next("tcp")).value; message.kind !== "close"; message = (await listener.next("tcp")).value) {
    if (message.kind === "data") text += Buffer.from(message.value.bytes).toString("latin1");
  }
  assert.equal(text, "\x00rawmore");
  listener[Symbol.dispose]();
  await assertGivenBack(pod);
});

for (const [what, answer] of [
  [
    "closes the connection",
    (client: Client, id: Id) => respond(client, id, "no", { status: 413, headers: [["connection", [Buffer.from("close")]]] }),
  ],
  ["is given up", (client: Client, id: Id) => steal(client, { kind: "connectionUnsubscribe", value: id })],
] as const) {
  test(`the copy of a request ends when its answer ${what} before its body is there`, async () => {
    await using pod = await PodUnderTest.start(createServer());
    using client = await pod.client();
    using listener = await pod.client();
    await pod.steal(client);
    await mirror(pod, listener);
    using peer = await pod.peer();
    peer.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    answer(client, (await nextStart(client)).connectionId);
    await peer.ended();
    await nextClose(listener, "tcp");
    peer[Symbol.dispose]();
    client[Symbol.dispose]();
    listener[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("an answer that has begun is not lost when the request turns out to be malformed", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  const request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  peer.write(request);
  const socket = await target.next();
  await socket.until((text) => text === request);
  socket.socket.write("HTTP/1.1 200 OK\r\nConte");
  await new Promise((resolve) => setTimeout(resolve, 30));
  peer.write("no chunk");
  await socket.until((text) => text === `${request}no chunk`);
  socket.socket.end("nt-Length: 0\r\n\r\n");
  assert.equal(await peer.ended(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  peer[Symbol.dispose]();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a peer that sent ahead is let go when the target ends the connection without an answer", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  peer.write(GET("/1") + GET("/2"));
  const socket = await target.next();
  await socket.until((text) => text === GET("/1"));
  socket.socket.end();
  await peer.ended();
  assert.equal(await socket.until((text) => text.includes("/2")), GET("/1") + GET("/2"));
  peer.socket.end();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("bytes behind a request's body belong to the upgrade that was answered before the body was there", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write("POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\nab");
  const { connectionId } = await nextStart(client);
  respond(client, connectionId, "", { status: 101 });
  await peer.until((text) => text.endsWith("\r\n\r\n"));
  peer.write("cdraw");
  for (;;) {
    const message = await nextSteal(client);
    assert.notEqual(message.kind, "close");
    if (message.kind !== "data") continue;
    assert.equal(Buffer.from(message.value.bytes).toString(), "raw");
    break;
  }
  steal(client, { kind: "data", value: { connectionId, bytes: Buffer.from("late") } });
  await peer.until((text) => text.endsWith("late"));
  peer[Symbol.dispose]();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("what the client of a raw connection wrote before it left reaches a slow peer in full", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write("\x00raw");
  peer.socket.pause();
  const message = await nextSteal(client);
  assert.ok(message.kind === "newConnectionV2");
  const { connectionId } = message.value.connection;
  const big = Buffer.alloc(8 << 20, "x");
  for (let at = 0; at < big.length; at += 1 << 20) {
    steal(client, { kind: "data", value: { connectionId, bytes: big.subarray(at, at + (1 << 20)) } });
  }
  steal(client, { kind: "data", value: { connectionId, bytes: new Uint8Array(0) } });
  steal(client, { kind: "connectionUnsubscribe", value: connectionId });
  await new Promise((resolve) => setTimeout(resolve, 5500)); // longer than an orphan without anything to do has
  peer.socket.resume();
  await peer.ended();
  assert.equal(peer.bytes.length, big.length);
  client[Symbol.dispose]();
  peer[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("texts for a client that does not read are dropped instead of piling up", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using first = await pod.client();
  using second = await pod.client();
  await pod.steal(first, `^${MINE}$`);
  await pod.steal(second, "^x-user: ");
  second.socket.pause();
  using peer = await pod.peer();
  for (let i = 0; i < 1000; i++) {
    peer.write(GET(`/${"long".repeat(3000)}`, MINE));
    const { connectionId } = await nextStart(first);
    respond(first, connectionId, "");
    await nextClose(first, "tcpSteal");
  }
  assert.ok(pod.agent.budget.usedBytes < 1 << 20, `${pod.agent.budget.usedBytes} bytes are held`);
});
