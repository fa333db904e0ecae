// Connecting for a client: address families, limits, and what a peer that never answers costs.

import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { test } from "node:test";
import type { ClientMessage, DaemonConnect, ResponseError, Result, SocketAddress } from "@understudy/protocol";
import { takeListeningSocket } from "../socket/acceptHandles.ts";
import { AgentUnderTest, type Client, listening, portOf } from "./sessionFixture.ts";

type Kind = "tcpOutgoing" | "udpOutgoing";

function ipAddress(ip: string, port: number): SocketAddress {
  return { kind: "ip", value: { ip, port } };
}

function connectRequest(kind: Kind, remoteAddress: SocketAddress, uid = 1n): ClientMessage {
  return { kind, value: { kind: "connectV2", value: { uid, remoteAddress } } };
}

async function connectAnswer(client: Client, kind: Kind): Promise<Result<DaemonConnect, ResponseError>> {
  const { value } = await client.next(kind);
  return value.kind === "connectV2" ? value.value.connect : value.kind === "connect" ? value.value : assert.fail(value.kind);
}

async function connected(client: Client, kind: Kind, ip: string, port: number): Promise<DaemonConnect> {
  client.send(connectRequest(kind, ipAddress(ip, port)));
  const answer = await connectAnswer(client, kind);
  return answer.kind === "ok" ? answer.value : assert.fail(JSON.stringify(answer.value));
}

async function pinged(client: Client): Promise<void> {
  client.send({ kind: "ping" });
  await client.next("pong");
}

/** A TCP port whose queue of connections is full, so that a connect to it gets no answer. */
async function hole(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 });
  await once(server, "listening");
  const socket = takeListeningSocket(server);
  const fillers = [1, 2].map(() => connect(socket.port, "127.0.0.1"));
  await Promise.all(fillers.map((filler) => once(filler, "connect")));
  return {
    port: socket.port,
    [Symbol.asyncDispose]: async () => {
      for (const filler of fillers) filler.destroy();
      socket[Symbol.dispose]();
      await Promise.resolve();
    },
  };
}

async function listeningOn(host: string): Promise<Server> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  return server;
}

test("IPv6 peers are connected to, and reported with both addresses", async () => {
  const server = await listeningOn("::1");
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  for (const kind of ["tcpOutgoing", "udpOutgoing"] as const) {
    const { remoteAddress, localAddress } = await connected(client, kind, "::1", portOf(server));
    assert.deepEqual(remoteAddress, ipAddress("::1", portOf(server)));
    assert.ok(localAddress.kind === "ip" && localAddress.value.ip === "::1" && localAddress.value.port > 0);
  }
  server.close();
});

test("the peer reported for the unspecified address is the one that the system chose", async () => {
  const server = await listeningOn("127.0.0.1");
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { remoteAddress } = await connected(client, "tcpOutgoing", "0.0.0.0", portOf(server));
  assert.deepEqual(remoteAddress, ipAddress("127.0.0.1", portOf(server)));
  server.close();
});

test("no address goes through the system's resolver", async () => {
  const server = await listeningOn("127.0.0.1");
  await using agent = await AgentUnderTest.start({ connectTimeoutMs: 200 });
  using client = await agent.client();
  const lookups: string[] = [];
  const hook = createHook({ init: (_id, type) => void (/GETADDRINFO|GETNAMEINFO/.test(type) && lookups.push(type)) }).enable();
  for (const kind of ["tcpOutgoing", "udpOutgoing"] as const) {
    await connected(client, kind, "127.0.0.1", portOf(server));
    for (const ip of ["::ffff:127.0.0.1", "fe80::1", "::"]) {
      client.send(connectRequest(kind, ipAddress(ip, 1)));
      await connectAnswer(client, kind);
    }
  }
  hook.disable();
  assert.deepEqual(lookups, []);
  server.close();
});

test("a connect that gets no answer times out without an errno", async () => {
  await using silent = await hole();
  await using agent = await AgentUnderTest.start({ connectTimeoutMs: 200 });
  using client = await agent.client();
  const began = performance.now();
  client.send(connectRequest("tcpOutgoing", ipAddress("127.0.0.1", silent.port)));
  const answer = await connectAnswer(client, "tcpOutgoing");
  assert.ok(performance.now() - began >= 190);
  assert.deepEqual(answer, {
    kind: "err",
    value: { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "timedOut" } } },
  });
});

test("connects that get no answer leave pings and other connects alone, and those over the limit are refused at once", async () => {
  await using silent = await hole();
  const server = await listening(createServer());
  await using agent = await AgentUnderTest.start({ connectTimeoutMs: 400 });
  using client = await agent.client();
  const toHole = Array.from({ length: 127 }, (_, i) => connectRequest("tcpOutgoing", ipAddress("127.0.0.1", silent.port), BigInt(i)));
  client.send(...toHole);
  await connected(client, "tcpOutgoing", "127.0.0.1", portOf(server));
  client.send(connectRequest("tcpOutgoing", ipAddress("127.0.0.1", portOf(server))));
  const refused = await connectAnswer(client, "tcpOutgoing");
  assert.deepEqual(refused, {
    kind: "err",
    value: { kind: "remoteIO", value: { rawOsError: 24, kind: { kind: "unknown", value: "uncategorized error" } } },
  });
  await pinged(client);
  assert.deepEqual(client.messages, [], "those to the hole have not been answered yet");
  for (let i = 0; i < toHole.length; i++) assert.equal((await connectAnswer(client, "tcpOutgoing")).kind, "err");
  server.close();
});

test("thousands of first-form connects behind one that gets no answer keep their order and hold up nothing else", async () => {
  await using silent = await hole();
  await using agent = await AgentUnderTest.start({ connectTimeoutMs: 300 });
  using client = await agent.client();
  const request = (remoteAddress: SocketAddress): ClientMessage => ({
    kind: "tcpOutgoing",
    value: { kind: "connect", value: { remoteAddress } },
  });
  client.send(request(ipAddress("127.0.0.1", silent.port)));
  // Port 0 is refused by the system at once, once it is its turn.
  for (let i = 0; i < 5000; i++) client.send(request(ipAddress("127.0.0.1", 0)));
  await pinged(client);
  assert.deepEqual(client.messages, []);
  const errnos: (number | null)[] = [];
  for (let i = 0; i < 5001; i++) {
    const answer = await connectAnswer(client, "tcpOutgoing");
    assert.ok(answer.kind === "err" && answer.value.kind === "remoteIO");
    errnos.push(answer.value.value.rawOsError);
  }
  assert.deepEqual(errnos, [null, ...Array<number>(127).fill(111), ...Array<number>(5000 - 127).fill(24)]);
});

test("a peer that ends first can still be written to, and the connection closes after both ends", async () => {
  const heard = Promise.withResolvers<string>();
  const server = await listening(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.end("all I have to say");
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString())).on("end", () => heard.resolve(text));
    }),
  );
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { connectionId } = await connected(client, "tcpOutgoing", "127.0.0.1", portOf(server));
  const reads: string[] = [];
  while (reads.at(-1) !== "") {
    const { value } = await client.next("tcpOutgoing");
    assert.ok(value.kind === "read" && value.value.kind === "ok");
    reads.push(Buffer.from(value.value.value.bytes).toString());
  }
  assert.equal(reads.join(""), "all I have to say");
  for (const text of ["after ", "your end", ""]) {
    client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: Buffer.from(text) } } });
  }
  assert.equal(await heard.promise, "after your end");
  assert.deepEqual((await client.next("tcpOutgoing")).value, { kind: "close", value: connectionId });
  server.close();
});
