// Sessions whose clients leave in odd ways, send more than one turn can handle, or do not read: nothing of them stays, and what others gave them is
// exact.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { ClientMessage, Writer } from "@understudy/protocol";
import { AgentUnderTest, type Client, listening, portOf } from "./sessionFixture.ts";

function encoded(...messages: readonly ClientMessage[]): Buffer {
  const writer = new Writer();
  for (const message of messages) ClientMessage.write(writer, message);
  return Buffer.concat(writer.take());
}

async function connectTcp(client: Client, port: number): Promise<number> {
  const remoteAddress = { kind: "ip", value: { ip: "127.0.0.1", port } } as const;
  client.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 7n, remoteAddress } } });
  for (;;) {
    const { value } = await client.next("tcpOutgoing");
    if (value.kind !== "connectV2") continue;
    assert.ok(value.value.connect.kind === "ok");
    return Number(value.value.connect.value.connectionId);
  }
}

/** Waits until something is true that no event tells of. */
async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  for (let round = 0; !isTrue(); round++) {
    assert.ok(round < 300, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

test("a client that closes its session inside a message leaves no memory behind", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const large = encoded({ kind: "fileRequest", value: { kind: "write", value: { fd: 1, writeBytes: new Uint8Array(50_000) } } });
  client.sendRaw(Buffer.concat([encoded({ kind: "ping" }, { kind: "close" }), large.subarray(0, 30_000)]));
  await client.closed;
  await eventually(() => agent.sessions.count === 0, "the session is left");
  assert.equal(agent.budget.usedBytes, 0);
});

for (const [how, leave] of [
  ["ends its direction", (client: Client) => client.socket.end()],
  ["closes the session", (client: Client) => client.send({ kind: "close" })],
] as const) {
  test(`a client that ${how} and never reads does not keep its connection`, async () => {
    const server = await listening(createServer((socket) => socket.on("error", () => undefined).end(Buffer.alloc(8 << 20))));
    await using agent = await AgentUnderTest.start();
    using client = await agent.client();
    await connectTcp(client, portOf(server));
    client.socket.pause();
    await eventually(() => agent.budget.usedBytes > 128 * 1024, "nothing waits for the client");
    leave(client);
    await eventually(() => agent.sessions.count === 0, "the session is left");
    assert.equal(agent.budget.usedBytes, 0);
    await new Promise((resolve) => setTimeout(resolve, 2500)); // longer than a client has to leave
    client.socket.resume();
    await client.closed;
    // It had what the kernel held, and then a reset instead of an end.
    assert.match(String(client.socket.errored), /ECONNRESET/);
    server.close();
  });
}

test("bytes that a slice left for the next turn stay as they are until their peer has taken them", async () => {
  const peers: Socket[] = [];
  const server = await listening(createServer({ pauseOnConnect: true }, (socket) => void peers.push(socket)));
  await using agent = await AgentUnderTest.start({
    handleFile: () => {
      busy(5);
      return Promise.resolve(undefined);
    },
  });
  using client = await agent.client();
  const connectionId = await connectTcp(client, portOf(server));
  await eventually(() => peers.length === 1, "the peer has not connected");
  const write = (bytes: Uint8Array): ClientMessage => ({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes } } });
  const expected: Buffer[] = [];
  const chunk = (byte: string, size: number): Buffer => {
    const bytes = Buffer.alloc(size, byte);
    expected.push(bytes);
    return bytes;
  };
  // More than the way to the peer takes.
  for (let i = 0; i < 100; i++) client.send(write(chunk("a", 60_000)));
  client.send({ kind: "ping" });
  await client.next("pong");
  for (const letter of ["b", "c", "d", "e"]) {
    const files = Array.from({ length: 32 }, (): ClientMessage => ({ kind: "fileRequest", value: { kind: "close", value: { fd: 1 } } }));
    client.sendRaw(encoded(...files, write(chunk(letter, 55_000))));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  client.send(write(new Uint8Array(0)));
  const all = Buffer.concat(expected);
  const got: Buffer[] = [];
  peers[0]!.on("data", (bytes: Buffer) => got.push(bytes)).resume();
  await once(peers[0]!, "end");
  assert.equal(Buffer.concat(got).compare(all), 0);
  server.close();
});
