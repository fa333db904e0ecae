// Seqpacket connections through a whole session: packets stay whole in both directions, ends are told apart from them, and nobody is held up.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { DaemonSeqpacket, SocketAddress } from "@understudy/protocol";
import { echoPackets, listenForPackets, type PacketPeer } from "../outgoing/packetPeerFixture.ts";
import { AgentUnderTest, type Client } from "./sessionFixture.ts";
import { abstractName, UnixTarget, unixPath } from "../outgoing/unixTargetFixture.ts";

/** A listener with a name of its own, and the one peer that it will have. */
function onePeer(tag: string): Disposable & { readonly address: SocketAddress; readonly peer: Promise<PacketPeer> } {
  const name = Buffer.from(`understudy-${process.pid}-${tag}`);
  const { promise: peer, resolve } = Promise.withResolvers<PacketPeer>();
  const listener = listenForPackets({ kind: "abstract", name }, resolve);
  return { address: abstractName(name), peer, [Symbol.dispose]: () => listener[Symbol.dispose]() };
}

async function connected(client: Client, remoteAddress: SocketAddress): Promise<number> {
  client.send({ kind: "seqpacketOutgoing", value: { kind: "connectV2", value: { uid: 9n, remoteAddress } } });
  const value = await next(client);
  assert.ok(value.kind === "connectV2" && value.value.connect.kind === "ok", JSON.stringify(value.kind));
  assert.equal(value.value.uid, 9n);
  const { connect } = value.value;
  assert.deepEqual(connect.value.remoteAddress, remoteAddress);
  assert.deepEqual(connect.value.localAddress, { kind: "unix", value: { kind: "unnamed" } });
  return Number(connect.value.connectionId);
}

async function next(client: Client): Promise<DaemonSeqpacket> {
  return (await client.next("seqpacketOutgoing")).value;
}

async function nextBytes(client: Client): Promise<Uint8Array> {
  const value = await next(client);
  assert.ok(value.kind === "read" && value.value.kind === "ok", value.kind);
  return value.value.value.bytes;
}

function write(client: Client, connectionId: number, bytes: Uint8Array): void {
  client.send({ kind: "seqpacketOutgoing", value: { kind: "write", value: { connectionId, bytes } } });
}

test("packets of all sizes up to what the system allows come back whole and in order from a socket in the target's root", async () => {
  using target = new UnixTarget();
  const served: Promise<void>[] = [];
  using _listener = listenForPackets({ kind: "pathname", path: Buffer.from(path.join(target.root, "sock")) }, (peer) => {
    served.push(echoPackets(peer));
  });
  await using agent = await AgentUnderTest.start({ rootFd: target.rootFd });
  using client = await agent.client();
  const connectionId = await connected(client, unixPath("/sock"));
  assert.equal(agent.metrics.seqpacketConnections.value, 1);
  const packets = [1, 2, 1000, 65_535, 65_536, 200_000, 3].map((size) => randomBytes(size));
  for (const packet of packets) write(client, connectionId, packet);
  for (const packet of packets) assert.ok(packet.equals(await nextBytes(client)));
  write(client, connectionId, new Uint8Array(0));
  assert.equal((await nextBytes(client)).length, 0);
  assert.deepEqual(await next(client), { kind: "close", value: connectionId });
  assert.equal(agent.metrics.seqpacketConnections.value, 0);
  await Promise.all(served);
});

test("thousands of packets reach a peer that reads late, none lost, cut or joined, while the session goes on", async () => {
  using listener = onePeer("late");
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const connectionId = await connected(client, listener.address);
  const count = 4000;
  const packet = (i: number): Buffer => Buffer.alloc(1 + ((i * 37) % 2000), i % 251);
  for (let i = 0; i < count; i++) write(client, connectionId, packet(i));
  client.send({ kind: "seqpacketOutgoing", value: { kind: "close", value: { connectionId } } }, { kind: "ping" });
  await client.next("pong");
  using peer = await listener.peer;
  for (let i = 0; i < count; i++) assert.ok(packet(i).equals((await peer.next())!));
  assert.equal(await peer.next(), null);
  assert.deepEqual(client.messages, []);
});

test("a client that reads late gets every packet", async () => {
  using listener = onePeer("slow-client");
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  await connected(client, listener.address);
  using peer = await listener.peer;
  client.socket.pause();
  setTimeout(() => client.socket.resume(), 200);
  const packets = Array.from({ length: 200 }, (_, i) => Buffer.alloc(50_000, i));
  const sent = (async () => {
    for (const packet of packets) await peer.send(packet);
    peer.end();
  })();
  for (const packet of packets) assert.ok(packet.equals(await nextBytes(client)));
  assert.equal((await nextBytes(client)).length, 0);
  await sent;
});

test("packets without bytes are dropped and counted, and are not taken for an end", async () => {
  using listener = onePeer("empty");
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  await connected(client, listener.address);
  using peer = await listener.peer;
  for (const text of ["", "one", "", "two"]) await peer.send(Buffer.from(text));
  assert.equal(Buffer.from(await nextBytes(client)).toString(), "one");
  assert.equal(Buffer.from(await nextBytes(client)).toString(), "two");
  assert.equal(agent.metrics.droppedDatagrams.with("empty").value, 2);
});

test("the peer's end leaves the client's direction open, and a peer that is gone closes the connection", async () => {
  using listener = onePeer("ends");
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "switchProtocolVersion", value: "1.29.0" }, { kind: "readyForLogs" });
  const connectionId = await connected(client, listener.address);
  using peer = await listener.peer;
  peer.end();
  assert.equal((await nextBytes(client)).length, 0);
  write(client, connectionId, Buffer.from("still heard"));
  assert.equal(Buffer.from((await peer.next())!).toString(), "still heard");
  peer[Symbol.dispose]();
  write(client, connectionId, Buffer.from("x"));
  assert.deepEqual(await next(client), { kind: "close", value: connectionId });
  assert.match((await client.next("logMessage")).value.message, /^outgoing connection 0 failed: .*SeqpacketConnection\)$/);
  assert.deepEqual(agent.log.events, []);
});

test("a packet that the kernel can never take ends its connection with an error instead of being cut", async () => {
  using listener = onePeer("large");
  await using agent = await AgentUnderTest.start({ maxMessageBytes: 1 << 30, totalBytes: 1 << 30 });
  using client = await agent.client();
  client.send({ kind: "switchProtocolVersion", value: "1.29.0" }, { kind: "readyForLogs" });
  const connectionId = await connected(client, listener.address);
  const limit = 2 * Number(readFileSync("/proc/sys/net/core/wmem_max", "utf8"));
  write(client, connectionId, new Uint8Array(limit));
  assert.match((await client.next("logMessage")).value.message, /Message too long \(os error 90\)/);
  assert.deepEqual(await next(client), { kind: "close", value: connectionId });
  using peer = await listener.peer;
  assert.equal(await peer.next(), null);
});

test("a peer that takes nothing delays only itself, and its connection ends at the limit", async () => {
  using stuck = onePeer("stuck");
  using _echo = listenForPackets(
    { kind: "abstract", name: Buffer.from(`understudy-${process.pid}-echo`) },
    (peer) => void echoPackets(peer),
  );
  await using agent = await AgentUnderTest.start({ stuckPeerTimeoutMs: 800 });
  using client = await agent.client();
  const stuckId = await connected(client, stuck.address);
  const echoId = await connected(client, abstractName(Buffer.from(`understudy-${process.pid}-echo`)));
  for (let i = 0; i < 64; i++) write(client, stuckId, new Uint8Array(64_000));
  write(client, echoId, Buffer.from("not held up"));
  assert.equal(Buffer.from(await nextBytes(client)).toString(), "not held up");
  assert.deepEqual(await next(client), { kind: "close", value: stuckId });
  (await stuck.peer)[Symbol.dispose]();
});

test("an address of another kind is refused, and so is a name that nobody listens on", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const refused: [SocketAddress, number | null, string][] = [
    [{ kind: "ip", value: { ip: "127.0.0.1", port: 1 } }, null, "other"],
    [{ kind: "unix", value: { kind: "unnamed" } }, null, "other"],
    [abstractName(Buffer.from("nobody-listens-here")), 111, "connectionRefused"],
  ];
  for (const [remoteAddress, rawOsError, kind] of refused) {
    client.send({ kind: "seqpacketOutgoing", value: { kind: "connectV2", value: { uid: 1n, remoteAddress } } });
    const error = { kind: "remoteIO", value: { rawOsError, kind: { kind } } };
    assert.deepEqual(await next(client), { kind: "connectV2", value: { uid: 1n, connect: { kind: "err", value: error } } });
  }
});
