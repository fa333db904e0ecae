// Connections through the agent: who gets which answer, both ends of a connection, and what happens to what nobody reads.

import assert from "node:assert/strict";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import type { DaemonConnect, DaemonMessage } from "@understudy/protocol";
import type { TcpConnection } from "../index.ts";
import type { Session } from "../session.ts";
import { FakeAgent, type FakePeer } from "../testing/fakeAgent.ts";

const address = { ip: "10.0.0.1", port: 443 };
const connected = (connectionId: number): DaemonConnect => ({
  connectionId,
  remoteAddress: { kind: "ip", value: address },
  localAddress: { kind: "ip", value: { ip: "10.0.0.2", port: 5000 } },
});
const read = (connectionId: number, text: string): DaemonMessage => ({
  kind: "tcpOutgoing",
  value: { kind: "read", value: { kind: "ok", value: { connectionId, bytes: Buffer.from(text) } } },
});
const close = (connectionId: number): DaemonMessage => ({ kind: "tcpOutgoing", value: { kind: "close", value: connectionId } });

async function uidOf(peer: FakePeer): Promise<bigint> {
  const { value } = await peer.expect("tcpOutgoing");
  assert.equal(value.kind, "connectV2");
  return value.kind === "connectV2" ? value.value.uid : 0n;
}

async function connect(session: Session, peer: FakePeer, connectionId = 0): Promise<TcpConnection> {
  const connecting = session.connectTcp(address);
  const uid = await uidOf(peer);
  peer.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid, connect: { kind: "ok", value: connected(connectionId) } } } });
  return await connecting;
}

async function writtenText(peer: FakePeer): Promise<string | null> {
  const { value } = await peer.expect("tcpOutgoing");
  assert.equal(value.kind, "write");
  return value.kind === "write" ? Buffer.from(value.value.bytes).toString() : null;
}

suite("outgoing TCP", () => {
  test("answers in any order find their request, data right behind them too", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const first = session.connectTcp(address);
    const second = session.connectTcp({ path: "/run/app.sock" });
    const third = session.connectTcp({ abstract: Buffer.from("x") });
    const uids = [await uidOf(peer), await uidOf(peer), await uidOf(peer)] as const;
    const refused = { kind: "remoteIO", value: { rawOsError: 111, kind: { kind: "connectionRefused" } } } as const;
    peer.send(
      {
        kind: "tcpOutgoing",
        value: { kind: "connectV2", value: { uid: uids[2], connect: { kind: "err", value: { kind: "notImplemented" } } } },
      },
      { kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: uids[1], connect: { kind: "err", value: refused } } } },
      { kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: uids[0], connect: { kind: "ok", value: connected(0) } } } },
      read(0, "hello"),
    );
    await assert.rejects(second, { message: "connect to /run/app.sock: ECONNREFUSED (connection refused)" });
    await assert.rejects(third, { message: "connect to @x: not implemented" });
    const connection = await first;
    assert.deepEqual(connection.peerAddress, { kind: "ip", value: address });
    assert.deepEqual(connection.agentAddress, { kind: "ip", value: { ip: "10.0.0.2", port: 5000 } });
    assert.equal(String((await once(connection, "data"))[0]), "hello");
  });

  test("answers of old agents come in order", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open({}, "1.21.0");
    await using _ = session;
    const first = session.connectTcp(address);
    const second = session.connectTcp(address);
    await peer.expect("readyForLogs");
    assert.deepEqual((await peer.expect("tcpOutgoing")).value, {
      kind: "connect",
      value: { remoteAddress: { kind: "ip", value: address } },
    });
    peer.send(
      { kind: "tcpOutgoing", value: { kind: "connect", value: { kind: "err", value: { kind: "notImplemented" } } } },
      { kind: "tcpOutgoing", value: { kind: "connect", value: { kind: "ok", value: connected(5) } } },
    );
    await assert.rejects(first, /not implemented/);
    assert.ok(await second);
  });

  test("each end closes on its own, whoever is first", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const ours = await connect(session, peer, 0);
    ours.end("request");
    assert.equal(await writtenText(peer), "request");
    assert.equal(await writtenText(peer), "");
    peer.send(read(0, "late"), read(0, " answer"), read(0, ""), close(0));
    assert.equal(await text(ours), "late answer");
    await closed(ours);

    const theirs = await connect(session, peer, 1);
    peer.send(read(1, "greeting"), read(1, ""));
    assert.equal(await text(theirs), "greeting");
    assert.equal(theirs.destroyed, false);
    theirs.end("still here");
    assert.equal(await writtenText(peer), "still here");
    assert.equal(await writtenText(peer), "");
    await closed(theirs);
    // Both ended: the agent closes by itself and is not told to.
    const pinged = session.ping();
    await peer.expect("ping");
    peer.send({ kind: "pong" });
    await pinged;
  });

  test("an empty write is no end", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connection = await connect(session, peer);
    connection.write(Buffer.alloc(0));
    connection.write("x");
    assert.equal(await writtenText(peer), "x");
  });

  test("destroying tells the agent, and what comes late is dropped", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connection = await connect(session, peer);
    connection.destroy();
    assert.deepEqual((await peer.expect("tcpOutgoing")).value, { kind: "close", value: { connectionId: 0 } });
    peer.send(read(0, "late"), close(0), { kind: "operatorPing", value: 1n });
    await peer.expect("operatorPong");
  });

  test("a close before the end is a reset, a write after it a broken pipe", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const reset = await connect(session, peer, 0);
    peer.send(close(0));
    assert.deepEqual(
      (await once(reset, "error")).map((error: { code: string }) => error.code),
      ["ECONNRESET"],
    );
    const ended = await connect(session, peer, 1);
    peer.send(read(1, "all of it"), read(1, ""), close(1));
    assert.equal(await text(ended), "all of it");
    ended.write("x");
    assert.deepEqual(
      (await once(ended, "error")).map((error: { code: string }) => error.code),
      ["EPIPE"],
    );
  });

  test("a connect that is given up is closed when it was made after all", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const giveUp = new AbortController();
    const connecting = session.connectTcp(address, { signal: giveUp.signal });
    const uid = await uidOf(peer);
    giveUp.abort();
    await assert.rejects(connecting, { name: "AbortError" });
    peer.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid, connect: { kind: "ok", value: connected(0) } } } });
    assert.deepEqual((await peer.expect("tcpOutgoing")).value, { kind: "close", value: { connectionId: 0 } });
  });

  test("an agent that does not read stops the writer; all 8 MiB arrive once it does", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connection = await connect(session, peer);
    peer.socket.pause();
    const block = Buffer.alloc(64 * 1024, 7);
    let produced = 0;
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < 128; i++) {
          produced += block.length;
          yield block;
        }
      })(),
    );
    const sent = pipeline(source, connection);
    // The kernel takes some; then production must stand still.
    await quiet(() => produced);
    assert.ok(produced < 7 * 1024 * 1024, `${produced} bytes were taken from the source`);
    peer.socket.resume();
    let received = 0;
    while (received < 128 * block.length) {
      const { value } = await peer.expect("tcpOutgoing");
      assert.ok(value.kind === "write" && value.value.bytes.length <= 64 * 1024 && value.value.bytes.every((byte) => byte === 7));
      received += value.value.bytes.length;
    }
    assert.equal(await writtenText(peer), "");
    peer.send(read(0, ""), close(0));
    await sent;
  });

  test("a reader that stops is kept within the budget, then the session pauses; nothing is lost", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open({ receiveMaxBytes: 1024 * 1024 });
    await using _ = session;
    const connection = await connect(session, peer);
    const block = "b".repeat(64 * 1024);
    let delivered = 0;
    let isDone = false;
    const sending = (async () => {
      for (let i = 0; i < 128; i++) {
        peer.send(read(0, block));
        if (peer.socket.writableNeedDrain) await once(peer.socket, "drain");
        delivered += block.length;
      }
      peer.send(read(0, ""), close(0));
      isDone = true;
    })();
    await quiet(() => peer.socket.bytesWritten - peer.socket.writableLength);
    assert.equal(isDone, false, `the session took all ${delivered} bytes`);
    let received = 0;
    for await (const chunk of connection) received += (chunk as Buffer).length;
    assert.equal(received, 128 * block.length);
    await sending;
  });

  test("the end of the session destroys its connections, but not what has come completely", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    const open = await connect(session, peer, 0);
    const complete = await connect(session, peer, 1);
    complete.end();
    await once(complete, "finish");
    peer.send(read(1, "whole"), read(1, ""), close(1), { kind: "close", value: "over" });
    await assert.rejects(once(open, "data"), { name: "SessionClosedError" });
    await session.closed;
    assert.equal(await text(complete), "whole");
  });
});

suite("outgoing UDP", () => {
  const datagram = (connectionId: number, bytes: string): DaemonMessage => ({
    kind: "udpOutgoing",
    value: { kind: "read", value: { kind: "ok", value: { connectionId, bytes: Buffer.from(bytes) } } },
  });

  test("datagrams go both ways, each as one message, until it is closed", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connecting = session.connectUdp({ ip: "10.0.0.1", port: 53 });
    const { value } = await peer.expect("udpOutgoing");
    assert.ok(value.kind === "connectV2");
    const uid = value.value.uid;
    peer.send(
      { kind: "udpOutgoing", value: { kind: "connectV2", value: { uid, connect: { kind: "ok", value: connected(0) } } } },
      datagram(0, "one"),
      datagram(0, "two"),
    );
    const socket = await connecting;
    await socket.send(Buffer.from("query"));
    const sent = (await peer.expect("udpOutgoing")).value;
    assert.ok(sent.kind === "write" && Buffer.from(sent.value.bytes).toString() === "query");
    await assert.rejects(socket.send(new Uint8Array(0)), RangeError);
    const received: string[] = [];
    for await (const bytes of socket) {
      received.push(Buffer.from(bytes).toString());
      if (received.length === 2) peer.send(datagram(0, "three"));
      if (received.length === 3) socket.destroy();
    }
    assert.deepEqual(received, ["one", "two", "three"]);
    assert.deepEqual((await peer.expect("udpOutgoing")).value, { kind: "close", value: { connectionId: 0 } });
    await assert.rejects(socket.send(Buffer.from("x")), /closed/);
  });

  test("what nobody reads is dropped beyond the limit and counted; a close is told to the reader", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connecting = session.connectUdp({ ip: "10.0.0.1", port: 53 });
    const { value } = await peer.expect("udpOutgoing");
    assert.ok(value.kind === "connectV2");
    peer.send({
      kind: "udpOutgoing",
      value: { kind: "connectV2", value: { uid: value.value.uid, connect: { kind: "ok", value: connected(0) } } },
    });
    const socket = await connecting;
    peer.send(...Array.from({ length: 1030 }, () => datagram(0, "x")), { kind: "udpOutgoing", value: { kind: "close", value: 0 } });
    let received = 0;
    await assert.rejects(async () => {
      for await (const _bytes of socket) received += 1;
    }, /the agent closed/);
    assert.deepEqual([received, socket.dropped], [1024, 6]);
  });
});

async function text(connection: TcpConnection): Promise<string> {
  const chunks: Buffer[] = [];
  // An iterator would destroy the connection at the end of this direction.
  connection.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(connection, "end");
  return Buffer.concat(chunks).toString();
}

async function closed(connection: TcpConnection): Promise<void> {
  if (!connection.closed) await once(connection, "close");
}

/** Resolves when a number has not changed for a while. The subject is that nothing happens, so there is no event to wait for. */
async function quiet(measure: () => number): Promise<void> {
  for (let last = -1; last !== measure();) {
    last = measure();
    await sleep(100);
  }
}
