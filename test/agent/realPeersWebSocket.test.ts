// Websockets of the library `ws` through the agent: passed on, stolen by a client that answers with the same library, and copied while they are passed on.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { suite, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podIpv4 } from "../pod/pod.ts";
import { as, wantedBy } from "../pod/stealing.ts";
import { listening, peerPorts, startWebSockets, toolsSkipReason } from "../peers/peerPrograms.ts";
import { users } from "../peers/recordingSession.ts";
import { type OnUpgrade, UpgradeClient } from "../peers/upgradeClient.ts";

const port = peerPorts.webSocket;

/** A connection whose messages are waited for one by one. */
class Talk implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #messages: Buffer[] = [];
  readonly #closed: Promise<readonly [code: number, reason: string]>;
  #onMessage: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (message: Buffer) => {
      this.#messages.push(message);
      this.#onMessage();
    });
    this.#closed = once(socket, "close").then(([code, reason]) => [code as number, String(reason)] as const);
  }

  static async open(user: string): Promise<Talk> {
    const socket = new WebSocket(`ws://${podIpv4}:${port}/talk`, { headers: as(user), perMessageDeflate: true, handshakeTimeout: 5_000 });
    const talk = new Talk(socket);
    await once(socket, "open");
    return talk;
  }

  send(message: string | Buffer): void {
    this.#socket.send(message);
  }

  async next(): Promise<Buffer> {
    while (this.#messages.length === 0) await new Promise<void>((resolve) => (this.#onMessage = resolve));
    return this.#messages.shift() ?? Buffer.alloc(0);
  }

  async ping(): Promise<void> {
    this.#socket.ping("here?");
    await once(this.#socket, "pong");
  }

  /** Says goodbye; returns what the other end said. */
  async close(): Promise<readonly [code: number, reason: string]> {
    this.#socket.close(1000, "enough");
    return await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.#closed;
  }
}

const large = randomBytes(5_000_000);

/** Everything that one talks about with whoever answers. */
async function talkAll(user: string, by: string): Promise<void> {
  await using talk = await Talk.open(user);
  assert.equal((await talk.next()).toString(), `${by} welcomes`);
  for (const text of ["one", "two", "long ".repeat(1000), ""]) {
    talk.send(text);
    assert.equal((await talk.next()).toString(), `${by} ${text}`);
  }
  talk.send(large);
  assert.ok((await talk.next()).equals(large));
  await talk.ping();
  for (let i = 0; i < 200; i++) talk.send(String(i));
  for (let i = 0; i < 200; i++) assert.equal((await talk.next()).toString(), `${by} ${i}`);
  assert.deepEqual(await talk.close(), [1000, "enough"]);
}

/** Answers upgrades as the target does, with another name. */
function answerWith(server: WebSocketServer): OnUpgrade {
  server.on("connection", (socket: WebSocket) => {
    socket.on("message", (message: Buffer, isBinary) => {
      if (isBinary) socket.send(message);
      else socket.send(`client ${message.toString()}`);
    });
    socket.send("client welcomes");
  });
  return (request, stream) => {
    server.handleUpgrade(request as unknown as IncomingMessage, stream, Buffer.alloc(0), (socket) => server.emit("connection", socket));
  };
}

suite("websockets", { skip: toolsSkipReason() }, () => {
  test("are passed on to the target and answered by the client that wants them, side by side", async () => {
    await using pod = await Pod.start();
    await startWebSockets(pod);
    await using _agent = await AgentProcess.start(pod);
    await talkAll(users.passed, "target");
    const server = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 100 }, maxPayload: 32 * 1024 * 1024 });
    using stealer = await UpgradeClient.steal(port, wantedBy(users.stolen), answerWith(server));
    const talks = Array.from({ length: 4 }, () => [talkAll(users.passed, "target"), talkAll(users.stolen, "client")]);
    await Promise.all(talks.flat());
    assert.equal((await get("/plain", { port })).body, "target\n");
    // Each connection's end has come as an end.
    while (stealer.open > 0) await new Promise((resolve) => setImmediate(resolve));
    await listening(port);
  });

  test("outlast a session that leaves, as far as they are the target's; its own end", async () => {
    await using pod = await Pod.start();
    await startWebSockets(pod);
    await using _agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    const server = new WebSocketServer({ noServer: true });
    const stealer = await UpgradeClient.steal(port, wantedBy(users.stolen), answerWith(server));
    await using passed = await Talk.open(users.passed);
    const stolen = await Talk.open(users.stolen);
    assert.equal((await passed.next()).toString(), "target welcomes");
    assert.equal((await stolen.next()).toString(), "client welcomes");
    stealer[Symbol.dispose]();
    await stolen[Symbol.asyncDispose]();
    passed.send("still there?");
    assert.equal((await passed.next()).toString(), "target still there?");
    await talkAll(users.stolen, "target");
    assert.deepEqual(await passed.close(), [1000, "enough"]);
  });

  test("copies of what the peer sends come to a session that mirrors, as the messages that they are", async () => {
    await using pod = await Pod.start();
    await startWebSockets(pod);
    await using _agent = await AgentProcess.start(pod);
    const server = new WebSocketServer({ noServer: true, perMessageDeflate: true, maxPayload: 32 * 1024 * 1024 });
    const copied: string[] = [];
    const closed = Promise.withResolvers<number>();
    using _watching = await UpgradeClient.mirror(port, (request, stream) => {
      server.handleUpgrade(request as unknown as IncomingMessage, stream, Buffer.alloc(0), (socket) => {
        socket.on("message", (message: Buffer, isBinary) => copied.push(isBinary ? `${message.length} bytes` : message.toString()));
        socket.on("close", (code) => closed.resolve(code));
      });
    });
    await using talk = await Talk.open(users.passed);
    const sent = ["one", "long ".repeat(1000), "last"];
    for (const text of sent) talk.send(text);
    talk.send(large.subarray(0, 100_000));
    for (let i = 0; i < sent.length + 1; i++) await talk.next();
    await talk.ping();
    assert.deepEqual(await talk.close(), [1000, "enough"]);
    assert.equal(await closed.promise, 1000);
    assert.deepEqual(copied, [...sent, "100000 bytes"]);
  });
});
