// Bytes in both directions of one connection at once, in writes of any size, while each reader stalls and goes on as it likes.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentUnderTest, type Client, listening, portOf } from "./sessionFixture.ts";

const TOTAL_BYTES = 6 << 20;

/** A small generator of numbers, the same for the same seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Words that say where they belong: a lost, repeated or swapped piece shows. */
function countedWords(salt: number): Buffer {
  const words = new Uint32Array(TOTAL_BYTES / 4);
  for (let i = 0; i < words.length; i++) words[i] = i ^ salt;
  return Buffer.from(words.buffer);
}

function* pieces(bytes: Buffer, random: (below: number) => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    // From single bytes to more than a message of the other side.
    const size = 1 + random([8, 1500, 20_000, 65_537, 200_000][random(5)]!);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Stops reading now and then, sometimes for long enough that everything before it fills up. */
async function readInFits(socket: Socket, random: (below: number) => number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    socket.pause();
    await sleep(random(4) === 0 ? 80 : random(8));
    socket.resume();
    await sleep(random(10));
  }
}

async function writeAll(socket: Socket, bytes: Buffer, random: (below: number) => number): Promise<void> {
  for (const piece of pieces(bytes, random)) {
    if (!socket.write(piece)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
}

async function sendAll(client: Client, connectionId: number | bigint, bytes: Buffer, random: (below: number) => number): Promise<void> {
  const write = (piece: Uint8Array): void => {
    client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: piece } } });
  };
  for (const piece of pieces(bytes, random)) {
    write(piece);
    if (client.socket.writableNeedDrain) await new Promise((resolve) => client.socket.once("drain", resolve));
  }
  write(new Uint8Array(0));
}

for (const seed of [1, 2, 3]) {
  test(`both directions at once arrive exactly, whatever the sizes and however the readers stall (${seed})`, async () => {
    const [fromClient, fromPeer] = [countedWords(0x5a5a0000), countedWords(0x00a5a5a5)];
    const received: Buffer[] = [];
    const peerDone = Promise.withResolvers<void>();
    let isOver = false;
    const server = await listening(
      createServer({ allowHalfOpen: true }, (socket) => {
        socket.on("data", (chunk: Buffer) => received.push(chunk)).on("end", () => peerDone.resolve());
        void readInFits(socket, randomFrom(seed), () => isOver);
        void writeAll(socket, fromPeer, randomFrom(seed + 10));
      }),
    );
    await using agent = await AgentUnderTest.start();
    using client = await agent.client();
    const remoteAddress = { kind: "ip", value: { ip: "127.0.0.1", port: portOf(server) } } as const;
    client.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 1n, remoteAddress } } });
    const { value } = await client.next("tcpOutgoing");
    assert.ok(value.kind === "connectV2" && value.value.connect.kind === "ok");
    void readInFits(client.socket, randomFrom(seed + 20), () => isOver);
    void sendAll(client, value.value.connect.value.connectionId, fromClient, randomFrom(seed + 30));
    const got: Buffer[] = [];
    for (;;) {
      const { value: told } = await client.next("tcpOutgoing");
      if (told.kind === "close") break;
      assert.ok(told.kind === "read" && told.value.kind === "ok");
      got.push(Buffer.from(told.value.value.bytes));
    }
    await peerDone.promise;
    isOver = true;
    assert.ok(Buffer.concat(got).equals(fromPeer), "what the peer sent");
    assert.ok(Buffer.concat(received).equals(fromClient), "what the client sent");
    server.close();
  });
}
