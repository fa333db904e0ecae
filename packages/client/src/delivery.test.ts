// Connections that are joined with sockets of this machine without copying: buffers that are used again must not show, however late the other side reads.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { suite, test } from "node:test";
import { buffer, text } from "node:stream/consumers";
import { PassThrough, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonMessage } from "@understudy/protocol";
import type { TcpConnection } from "./index.ts";
import type { Session } from "./session.ts";
import { FakeAgent, type FakePeer } from "./testing/fakeAgent.ts";
import { ViewSocket } from "./viewSocket.ts";

const TOTAL_BYTES = 6 * 1024 * 1024;

/** Bytes of which no two stretches are alike: every word is its own position. */
function counted(total: number): Buffer {
  const words = Uint32Array.from({ length: total / 4 }, (_, i) => i);
  return Buffer.from(words.buffer);
}

/** In pieces that end nowhere in particular. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 70_001) yield bytes.subarray(at, at + size);
}

const read = (connectionId: number, bytes: Uint8Array): DaemonMessage => ({
  kind: "tcpOutgoing",
  value: { kind: "read", value: { kind: "ok", value: { connectionId, bytes } } },
});

async function open(session: Session, peer: FakePeer, connectionId: number): Promise<TcpConnection> {
  const connecting = session.connectTcp({ ip: "10.0.0.1", port: 80 });
  const { value } = await peer.expect("tcpOutgoing");
  assert.ok(value.kind === "connectV2");
  const { uid, remoteAddress } = value.value;
  const answer = { connectionId, remoteAddress, localAddress: remoteAddress };
  peer.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid, connect: { kind: "ok", value: answer } } } });
  return await connecting;
}

/** Both ends of a connection that a server has accepted, its own as a `ViewSocket`. */
async function acceptedPair(): Promise<{ client: Socket; accepted: ViewSocket; serverSide: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  const [serverSide] = (await once(server, "connection")) as [Socket];
  server.close();
  const accepted = ViewSocket.accepted(serverSide);
  assert.ok(accepted !== null);
  return { client, accepted, serverSide };
}

async function writtenBytes(peer: FakePeer, total: number): Promise<Buffer> {
  const written: Uint8Array[] = [];
  for (let length = 0; length < total;) {
    const { value } = await peer.expect("tcpOutgoing");
    assert.ok(value.kind === "write");
    written.push(value.value.bytes);
    length += value.value.bytes.length;
  }
  return Buffer.concat(written);
}

suite("joined connections", { timeout: 30_000 }, () => {
  test("what is delivered to a socket whose peer is slow comes whole", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connection = await open(session, peer, 0);
    const { client, accepted } = await acceptedPair();
    connection.deliverTo(accepted);
    const bytes = counted(4 * TOTAL_BYTES);
    for (const piece of pieces(bytes)) peer.send(read(0, piece));
    peer.send(read(0, Buffer.alloc(0)));
    await sleep(200);
    assert.ok((await buffer(client)).equals(bytes));
    connection.destroy();
  });

  test("what is delivered to a receiver that is slow, and read beside it, comes whole", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const [delivered, passed, beside] = [await open(session, peer, 0), await open(session, peer, 1), await open(session, peer, 2)];
    const through = new PassThrough();
    passed.deliverTo(through);
    const { client: receiver, accepted: written } = await acceptedPair();
    delivered.deliverTo(written);
    const bytes = counted(TOTAL_BYTES);
    for (const piece of pieces(bytes)) peer.send(read(0, piece), read(1, piece), read(2, piece));
    for (let id = 0; id < 3; id++) peer.send(read(id, Buffer.alloc(0)));
    // Meanwhile all of it arrives, and most of it waits.
    await sleep(100);
    for (const received of await Promise.all([receiver, through, beside].map((stream: Readable) => buffer(stream))))
      assert.ok(received.equals(bytes));
    assert.equal(delivered.bytesRead, TOTAL_BYTES);
  });

  test("a receiver that takes nothing holds its session up at the budget, and not before", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open({ receiveMaxBytes: 1024 * 1024 });
    await using _ = session;
    const connection = await open(session, peer, 0);
    const receiver = new PassThrough({ highWaterMark: 256 * 1024 });
    connection.deliverTo(receiver);
    const piece = counted(64 * 1024);
    for (let i = 0; i < 8; i++) peer.send(read(0, piece));
    peer.send({ kind: "pong" });
    await session.ping();
    for (let i = 0; i < 1000; i++) peer.send(read(0, piece));
    await sleep(200);
    assert.ok(connection.bytesRead < 3 * 1024 * 1024, `${connection.bytesRead} bytes are kept`);
    receiver.resume();
    peer.send(read(0, Buffer.alloc(0)));
    await once(receiver, "end");
    assert.equal(connection.bytesRead, 1008 * piece.length);
  });

  test("what came before there was a receiver is delivered, and the end, too", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    for (const sent of ["", "early"]) {
      const connection = await open(session, peer, 0);
      if (sent !== "") peer.send(read(0, Buffer.from(sent)));
      peer.send(read(0, Buffer.alloc(0)), { kind: "pong" });
      await session.ping();
      const receiver = new PassThrough();
      connection.deliverTo(receiver);
      assert.equal(await text(receiver), sent);
      connection.destroy();
      await peer.expect("ping");
      assert.equal((await peer.expect("tcpOutgoing")).value.kind, "close");
    }
  });

  test("what a client sends reaches an agent that is slow whole, and so does its end", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connection = await open(session, peer, 0);
    const { client, accepted } = await acceptedPair();
    connection.deliverFrom(accepted);
    peer.socket.pause();
    const bytes = counted(TOTAL_BYTES);
    for (const piece of pieces(bytes)) client.write(piece);
    client.end();
    await sleep(100);
    // The agent's socket is full, and the client is not read any more.
    assert.ok(client.writableLength > 0 || connection.bytesWritten < TOTAL_BYTES);
    peer.socket.resume();
    assert.ok((await writtenBytes(peer, TOTAL_BYTES)).equals(bytes));
    const { value } = await peer.expect("tcpOutgoing");
    assert.ok(value.kind === "write" && value.value.bytes.length === 0);
    client.destroy();
  });
});

suite("an accepted connection that was taken over", () => {
  test("is a socket like any other, in both directions", async () => {
    const { client, accepted, serverSide } = await acceptedPair();
    assert.equal(accepted.remotePort, client.localPort);
    client.end("question");
    assert.equal(await text(accepted), "question");
    const closed = once(serverSide, "close");
    accepted.end("answer");
    assert.equal(await text(client), "answer");
    await closed;
  });

  test("gives what arrived before its bytes were taken first", async () => {
    const { client, accepted } = await acceptedPair();
    const bytes = counted(1024 * 1024);
    client.write(bytes.subarray(0, 1000));
    await once(accepted, "readable");
    const received: Buffer[] = [];
    accepted.takeBytes((view) => received.push(Buffer.from(view)));
    accepted.on("data", (chunk: Buffer) => received.push(chunk));
    accepted.resume();
    client.end(bytes.subarray(1000));
    await once(accepted, "end");
    assert.ok(Buffer.concat(received).equals(bytes));
    accepted.destroy();
  });

  test("is not there for a socket that shows nothing to take over", () => {
    assert.equal(ViewSocket.accepted(new Socket()), null);
  });

  test("ends when the server ends it", async () => {
    const { client, accepted, serverSide } = await acceptedPair();
    client.on("error", () => undefined);
    serverSide.destroy();
    await once(accepted, "close");
    if (!client.destroyed) await Promise.race([once(client, "end"), once(client, "close")]);
    client.destroy();
  });
});
