// UDP through a whole session: what ends a connection, what does not, and what is dropped.

import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import type { DaemonUdpOutgoing } from "@understudy/protocol";
import { AgentUnderTest, type Client } from "./sessionFixture.ts";

async function bound(port = 0): Promise<Socket> {
  const socket = createSocket("udp4").bind(port, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

async function connected(client: Client, port: number): Promise<{ id: number; agentPort: number }> {
  const remoteAddress = { kind: "ip", value: { ip: "127.0.0.1", port } } as const;
  client.send({ kind: "udpOutgoing", value: { kind: "connectV2", value: { uid: 2n, remoteAddress } } });
  const value = await next(client);
  assert.ok(value.kind === "connectV2" && value.value.connect.kind === "ok");
  const { connectionId, localAddress } = value.value.connect.value;
  assert.ok(localAddress.kind === "ip");
  return { id: Number(connectionId), agentPort: localAddress.value.port };
}

async function next(client: Client): Promise<DaemonUdpOutgoing> {
  return (await client.next("udpOutgoing")).value;
}

function send(client: Client, connectionId: number, bytes: Uint8Array): void {
  client.send({ kind: "udpOutgoing", value: { kind: "write", value: { connectionId, bytes } } });
}

async function pinged(client: Client): Promise<void> {
  client.send({ kind: "ping" });
  await client.next("pong");
}

test("a peer's host that refuses datagrams does not end the connection", async () => {
  const first = await bound();
  const { port } = first.address();
  await new Promise<void>((resolve) => void first.close(resolve));
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { id } = await connected(client, port);
  for (let i = 0; i < 5; i++) {
    send(client, id, Buffer.from("nobody there"));
    await pinged(client);
  }
  const peer = await bound(port);
  // The kernel may tell of the last refusal by dropping the next datagram.
  const heard = once(peer, "message");
  for (let i = 0; i < 3; i++) {
    send(client, id, Buffer.from("there now"));
    await pinged(client);
  }
  assert.equal(String((await heard)[0]), "there now");
  assert.equal(agent.metrics.udpOutgoingConnectionCount.value, 1);
  peer.close();
});

test("a datagram that is too large gives nothing, and the next write closes the connection", async () => {
  const peer = await bound();
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "switchProtocolVersion", value: "1.29.0" }, { kind: "readyForLogs" });
  const { id } = await connected(client, peer.address().port);
  send(client, id, new Uint8Array(70_000));
  await pinged(client);
  await pinged(client);
  assert.deepEqual(
    client.messages.filter(({ kind }) => kind === "udpOutgoing"),
    [],
  );
  send(client, id, Buffer.from("after it"));
  assert.deepEqual(await next(client), { kind: "close", value: id });
  assert.match((await client.next("logMessage")).value.message, /^outgoing connection 0 failed: .*UdpConnection\)$/);
  peer.close();
});

test("the largest datagram goes out whole, and the client's end stops its sending only", async () => {
  const peer = await bound();
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { id, agentPort } = await connected(client, peer.address().port);
  const full = Buffer.alloc(65_507, 9);
  const heard = once(peer, "message") as Promise<[Buffer]>;
  send(client, id, full);
  assert.ok(full.equals((await heard)[0]));
  send(client, id, new Uint8Array(0));
  const after: Buffer[] = [];
  peer.on("message", (bytes) => after.push(bytes));
  send(client, id, Buffer.from("after the end"));
  await pinged(client);
  peer.send(Buffer.from("still heard"), agentPort, "127.0.0.1");
  const value = await next(client);
  assert.ok(value.kind === "read" && value.value.kind === "ok" && Buffer.from(value.value.value.bytes).equals(Buffer.from("still heard")));
  assert.deepEqual(after, []);
  peer.close();
});

test("datagrams without bytes are dropped and counted, and those of full size come whole", async () => {
  const peer = await bound();
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { agentPort } = await connected(client, peer.address().port);
  const full = Buffer.alloc(65_507, 7);
  peer.send(Buffer.alloc(0), agentPort, "127.0.0.1");
  peer.send(full, agentPort, "127.0.0.1");
  const value = await next(client);
  assert.ok(value.kind === "read" && value.value.kind === "ok" && full.equals(value.value.value.bytes));
  assert.equal(agent.metrics.droppedDatagrams.with("empty").value, 1);
  peer.close();
});

test("datagrams for a client that does not read are dropped and counted, and its connection lives on", async () => {
  const peer = await bound();
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { agentPort } = await connected(client, peer.address().port);
  const dropped = agent.metrics.droppedDatagrams.with("client_full");
  client.socket.pause();
  while (dropped.value === 0) {
    await new Promise((resolve) => peer.send(Buffer.alloc(60_000), agentPort, "127.0.0.1", resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(agent.budget.usedBytes < 1 << 20);
  client.socket.resume();
  await pinged(client);
  client.messages.length = 0;
  peer.send(Buffer.from("heard again"), agentPort, "127.0.0.1");
  for (;;) {
    const value = await next(client);
    if (value.kind === "read" && value.value.kind === "ok" && Buffer.from(value.value.value.bytes).equals(Buffer.from("heard again")))
      break;
  }
  peer.close();
});

test("a unix address is refused without an errno", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const remoteAddress = { kind: "unix", value: { kind: "pathname", value: "/sock" } } as const;
  client.send({ kind: "udpOutgoing", value: { kind: "connectV2", value: { uid: 2n, remoteAddress } } });
  const error = { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "other" } } };
  assert.deepEqual(await next(client), { kind: "connectV2", value: { uid: 2n, connect: { kind: "err", value: error } } });
});
