// Peers that take nothing, or little, of what a client writes to them: whom they delay, when they are given up, and what they see then.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { ClientMessage, SocketAddress } from "@understudy/protocol";
import { AgentUnderTest, type Client, listening, portOf } from "./sessionFixture.ts";
import { abstractName, UnixTarget } from "../outgoing/unixTargetFixture.ts";

const PIECE = new Uint8Array(64 * 1024);

async function connected(client: Client, remoteAddress: SocketAddress): Promise<number> {
  client.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 1n, remoteAddress } } });
  const { value } = await client.next("tcpOutgoing");
  assert.ok(value.kind === "connectV2" && value.value.connect.kind === "ok");
  return Number(value.value.connect.value.connectionId);
}

function write(connectionId: number, bytes: Uint8Array): ClientMessage {
  return { kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes } } };
}

function pieces(connectionId: number, bytes: number): ClientMessage[] {
  return Array.from({ length: bytes / PIECE.length }, () => write(connectionId, PIECE));
}

/** Two peers on abstract names: one that reads nothing until told to, one that sends everything back. */
async function twoPeers(target: UnixTarget): Promise<{ stuck: SocketAddress; echo: SocketAddress; stuckPeer: Promise<Socket> }> {
  const { promise: stuckPeer, resolve } = Promise.withResolvers<Socket>();
  const name = `understudy-${process.pid}-${target.rootFd}`;
  await target.listen(`\0${name}-stuck`, resolve, { pauseOnConnect: true });
  await target.listen(`\0${name}-echo`, (socket) => socket.pipe(socket));
  return { stuck: abstractName(Buffer.from(`${name}-stuck`)), echo: abstractName(Buffer.from(`${name}-echo`)), stuckPeer };
}

async function echoed(client: Client, connectionId: number, text: string): Promise<void> {
  client.send(write(connectionId, Buffer.from(text)));
  const { value } = await client.next("tcpOutgoing");
  assert.ok(value.kind === "read" && value.value.kind === "ok");
  assert.deepEqual(Buffer.from(value.value.value.bytes).toString(), text);
}

test("with 4 MiB waiting for a stuck peer the session's pings and other connections go on, and the bytes are counted", async () => {
  using target = new UnixTarget();
  const { stuck, echo, stuckPeer } = await twoPeers(target);
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const stuckId = await connected(client, stuck);
  const echoId = await connected(client, echo);
  client.send(...pieces(stuckId, 4.5 * 2 ** 20), { kind: "ping" });
  await client.next("pong");
  assert.ok(agent.budget.usedBytes >= 4 << 20, `${agent.budget.usedBytes} bytes are counted`);
  for (let i = 0; i < 20; i++) await echoed(client, echoId, `not held up ${i}`);
  // Nothing was lost: the peer gets it all once it reads.
  let bytes = 0;
  const peer = await stuckPeer;
  peer.on("data", (chunk: Buffer) => (bytes += chunk.length)).resume();
  client.send(write(stuckId, new Uint8Array(0)));
  await once(peer, "end");
  assert.equal(bytes, 4.5 * 2 ** 20);
  peer.end();
});

test("over TCP, too, a stuck peer leaves its session alive, while there is an end to what it may hold", async () => {
  const server = await listening(createServer({ pauseOnConnect: true }, (socket) => void socket.on("error", () => undefined)));
  await using agent = await AgentUnderTest.start({ stuckPeerTimeoutMs: 1500 });
  using client = await agent.client();
  const id = await connected(client, { kind: "ip", value: { ip: "127.0.0.1", port: portOf(server) } });
  client.send(...pieces(id, 8 << 20), { kind: "ping" });
  await client.next("pong");
  // More than may wait: now the session is held up, until the peer is given up.
  client.send(...pieces(id, 16 << 20), { kind: "ping" });
  await client.next("pong");
  assert.equal((await client.next("tcpOutgoing")).value.kind, "close");
  assert.ok(agent.budget.usedBytes < 1 << 20);
  server.close();
});

test("a session cannot set aside what the agent has not to spare", async () => {
  using target = new UnixTarget();
  const { stuck } = await twoPeers(target);
  await using agent = await AgentUnderTest.start({ totalBytes: 4 << 20, stuckPeerTimeoutMs: 800 });
  using client = await agent.client();
  using other = await agent.client();
  const id = await connected(client, stuck);
  client.send(...pieces(id, 6 << 20), { kind: "ping" });
  const pong = client.next("pong");
  other.send({ kind: "ping" });
  await other.next("pong");
  assert.ok(agent.budget.usedBytes <= 1.25 * 2 ** 20, `${agent.budget.usedBytes} bytes are counted`);
  await pong;
});

test("a peer that takes a little now and then is not given up", async () => {
  using target = new UnixTarget();
  const { stuck, stuckPeer } = await twoPeers(target);
  await using agent = await AgentUnderTest.start({ stuckPeerTimeoutMs: 400 });
  using client = await agent.client();
  const id = await connected(client, stuck);
  const total = 1 << 20;
  client.send(...pieces(id, total), write(id, new Uint8Array(0)));
  const peer = await stuckPeer;
  let bytes = 0;
  peer.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    peer.pause();
  });
  // Over three times the limit until all is read, with something read in each part of it.
  const reading = setInterval(() => peer.resume(), 100);
  await once(peer, "end");
  clearInterval(reading);
  assert.equal(bytes, total);
  peer.end();
});

test("a peer that sends, but takes nothing, is given up all the same", async () => {
  using target = new UnixTarget();
  const { stuck, stuckPeer } = await twoPeers(target);
  await using agent = await AgentUnderTest.start({ stuckPeerTimeoutMs: 400 });
  using client = await agent.client();
  const id = await connected(client, stuck);
  client.send(...pieces(id, 1 << 20));
  const peer = await stuckPeer;
  const sending = setInterval(() => peer.write("still here"), 50);
  for (;;) {
    const { value } = await client.next("tcpOutgoing");
    if (value.kind === "close") break;
    client.send(write(id, Buffer.from("more")));
  }
  clearInterval(sending);
});

for (const how of ["is given up", "loses its session"] as const) {
  test(`a TCP peer that ${how} before it got everything sees a reset, not an end`, async () => {
    const peers: Socket[] = [];
    const server = await listening(createServer({ pauseOnConnect: true }, (socket) => void peers.push(socket)));
    await using agent = await AgentUnderTest.start({ stuckPeerTimeoutMs: how === "is given up" ? 400 : 30_000 });
    using client = await agent.client();
    const id = await connected(client, { kind: "ip", value: { ip: "127.0.0.1", port: portOf(server) } });
    client.send(...pieces(id, 8 << 20), { kind: "ping" });
    await client.next("pong");
    if (how === "loses its session") client.send({ kind: "close" });
    else await client.next("tcpOutgoing");
    await client.socket[Symbol.asyncDispose]();
    const [peer] = peers;
    peer!.resume();
    const [error] = (await once(peer!, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
    server.close();
  });
}

test("what a client closed is delivered, but not beyond the end of its session", async () => {
  using target = new UnixTarget();
  const { stuck, stuckPeer } = await twoPeers(target);
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const id = await connected(client, stuck);
  client.send(...pieces(id, 1 << 20), { kind: "tcpOutgoing", value: { kind: "close", value: { connectionId: id } } }, { kind: "ping" });
  await client.next("pong");
  assert.equal(agent.metrics.tcpOutgoingConnectionCount.value, 0);
  client.send({ kind: "close" });
  await client.closed;
  const peer = await stuckPeer;
  let bytes = 0;
  peer.on("data", (chunk: Buffer) => (bytes += chunk.length)).resume();
  await once(peer, "end");
  assert.ok(bytes < 1 << 20);
  peer.end();
});
