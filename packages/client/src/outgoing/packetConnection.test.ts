import assert from "node:assert/strict";
import { test } from "node:test";
import type { DaemonMessage } from "@understudy/protocol";
import { UnsupportedByAgentError } from "../errors.ts";
import { FakeAgent, type FakePeer } from "../testing/fakeAgent.ts";
import type { Session } from "../session.ts";
import type { PacketConnection } from "./packetConnection.ts";

const unnamed = { kind: "unix", value: { kind: "unnamed" } } as const;

async function connect(session: Session, peer: FakePeer): Promise<PacketConnection> {
  const connecting = session.connectSeqpacket({ path: "/run/app.sock" });
  const { value } = await peer.expect("seqpacketOutgoing");
  assert.ok(value.kind === "connectV2");
  const { uid, remoteAddress } = value.value;
  assert.deepEqual(remoteAddress, { kind: "unix", value: { kind: "pathname", value: "/run/app.sock" } });
  const answer = { connectionId: 0, remoteAddress, localAddress: unnamed };
  peer.send({ kind: "seqpacketOutgoing", value: { kind: "connectV2", value: { uid, connect: { kind: "ok", value: answer } } } });
  return await connecting;
}

function packet(text: string): DaemonMessage {
  const value = { connectionId: 0, bytes: Buffer.from(text) };
  return { kind: "seqpacketOutgoing", value: { kind: "read", value: { kind: "ok", value } } };
}

test("packets go both ways whole, an end ends the iteration only, and a close after both ends is no error", async () => {
  await using agent = await FakeAgent.start();
  const { session, peer } = await agent.open();
  await using _ = session;
  const connection = await connect(session, peer);
  await connection.send(Buffer.from("question"));
  const sent = (await peer.expect("seqpacketOutgoing")).value;
  assert.ok(sent.kind === "write" && Buffer.from(sent.value.bytes).toString() === "question");
  await assert.rejects(connection.send(new Uint8Array(0)), RangeError);
  peer.send(packet("one"), packet("two"), packet(""));
  const received: string[] = [];
  for await (const bytes of connection) received.push(Buffer.from(bytes).toString());
  assert.deepEqual(received, ["one", "two"]);
  await connection.end();
  const ended = (await peer.expect("seqpacketOutgoing")).value;
  assert.ok(ended.kind === "write" && ended.value.bytes.length === 0);
  await assert.rejects(connection.send(Buffer.from("x")), /ended/);
});

test("a close by the agent is told to the reader, after what had come before", async () => {
  await using agent = await FakeAgent.start();
  const { session, peer } = await agent.open();
  await using _ = session;
  const connection = await connect(session, peer);
  peer.send(packet("last"), { kind: "seqpacketOutgoing", value: { kind: "close", value: 0 } });
  const received: string[] = [];
  await assert.rejects(async () => {
    for await (const bytes of connection) received.push(Buffer.from(bytes).toString());
  }, /the agent closed/);
  assert.deepEqual(received, ["last"]);
});

test("packets that nobody reads hold up the session instead of being dropped, until the connection is given up", async () => {
  await using agent = await FakeAgent.start();
  const { session, peer } = await agent.open({ receiveMaxBytes: 10_000 });
  await using _ = session;
  const connection = await connect(session, peer);
  const count = 40;
  peer.send(...Array.from({ length: count }, () => packet("x".repeat(1000))));
  let received = 0;
  for await (const bytes of connection) {
    assert.equal(bytes.length, 1000);
    if (++received === count) connection.destroy();
  }
  assert.equal(received, count);
  assert.deepEqual((await peer.expect("seqpacketOutgoing")).value, { kind: "close", value: { connectionId: 0 } });
});

test("an agent that does not know seqpacket sockets is not asked", async () => {
  await using agent = await FakeAgent.start();
  const { session } = await agent.open({}, "1.26.0");
  await using _ = session;
  await assert.rejects(session.connectSeqpacket({ path: "/run/app.sock" }), UnsupportedByAgentError);
});
