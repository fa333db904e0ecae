// Unix stream connections through a whole session: where names lead, what is answered, and that bytes stay exact.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { DaemonConnect, ErrorKindInternal, SocketAddress } from "@understudy/protocol";
import { abstractName, occupy, SilentListener, UnixTarget, unixPath } from "../outgoing/unixTargetFixture.ts";
import { AgentUnderTest, type Client } from "./sessionFixture.ts";

type Outcome = { readonly connect: DaemonConnect } | { readonly errno: number | null; readonly kind: ErrorKindInternal["kind"] };

function outcome(client: Client, remoteAddress: SocketAddress): Promise<Outcome> {
  ask(client, remoteAddress);
  return answer(client);
}

function ask(client: Client, remoteAddress: SocketAddress): void {
  client.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 5n, remoteAddress } } });
}

async function answer(client: Client): Promise<Outcome> {
  const { value } = await client.next("tcpOutgoing");
  assert.ok(value.kind === "connectV2");
  const { connect } = value.value;
  if (connect.kind === "ok") return { connect: connect.value };
  assert.ok(connect.value.kind === "remoteIO");
  return { errno: connect.value.value.rawOsError, kind: connect.value.value.kind.kind };
}

async function connected(client: Client, remoteAddress: SocketAddress): Promise<DaemonConnect> {
  const result = await outcome(client, remoteAddress);
  assert.ok("connect" in result, JSON.stringify(result));
  return result.connect;
}

/** The first text of a connection. */
async function firstText(client: Client): Promise<string> {
  const { value } = await client.next("tcpOutgoing");
  assert.ok(value.kind === "read" && value.value.kind === "ok");
  return Buffer.from(value.value.value.bytes).toString();
}

test("a path is the target's, the peer is reported by the name it bound, and the connection counts as TCP", async () => {
  using target = new UnixTarget();
  const bound = path.join(target.root, "sock");
  await target.listen(bound, (socket) => socket.write("inside"));
  await using agent = await AgentUnderTest.start({ rootFd: target.rootFd });
  using client = await agent.client();
  const { remoteAddress, localAddress } = await connected(client, unixPath("/sock"));
  assert.deepEqual(remoteAddress, unixPath(bound));
  assert.deepEqual(localAddress, { kind: "unix", value: { kind: "unnamed" } });
  assert.equal(agent.metrics.tcpOutgoingConnectionCount.value, 1);
  assert.equal(await firstText(client), "inside");
});

test("absolute links, chains of links and .. stay inside the target's root", async () => {
  using target = new UnixTarget();
  mkdirSync(path.join(target.root, "run"));
  mkdirSync(path.join(target.root, "var"));
  await target.listen(path.join(target.root, "run/sock"), (socket) => socket.write("inside"));
  await target.listen(path.join(target.outside, "sock"), (socket) => socket.write("outside"));
  symlinkSync("/run/sock", path.join(target.root, "absolute"));
  symlinkSync("/absolute", path.join(target.root, "chain"));
  symlinkSync("/run", path.join(target.root, "var/run"));
  symlinkSync("../../../../../run/sock", path.join(target.root, "up"));
  symlinkSync(path.join(target.outside, "sock"), path.join(target.root, "escape"));
  symlinkSync("../outside/sock", path.join(target.root, "sidestep"));
  symlinkSync("/loop", path.join(target.root, "loop"));
  await using agent = await AgentUnderTest.start({ rootFd: target.rootFd });
  using client = await agent.client();
  for (const name of ["/absolute", "/chain", "/var/run/sock", "/up", "/../../run/sock", "run/sock"]) {
    await connected(client, unixPath(name));
    assert.equal(await firstText(client), "inside", name);
  }
  for (const name of ["/escape", "/sidestep", "/../outside/sock", "../outside/sock", path.join(target.outside, "sock")]) {
    assert.deepEqual(await outcome(client, unixPath(name)), { errno: 2, kind: "notFound" }, name);
  }
  assert.deepEqual(await outcome(client, unixPath("/loop")), { errno: 40, kind: "unknown" });
});

test("failures carry the kernel's number, or none where the kernel was not asked", async () => {
  using target = new UnixTarget();
  writeFileSync(path.join(target.root, "file"), "");
  mkdirSync(path.join(target.root, "long"));
  new SilentListener("stream", path.join(target.root, "dead"))[Symbol.dispose]();
  using _packets = new SilentListener("seqpacket", path.join(target.root, "packets"));
  await using agent = await AgentUnderTest.start({ rootFd: target.rootFd });
  using client = await agent.client();
  const unnamed: SocketAddress = { kind: "unix", value: { kind: "unnamed" } };
  const expected: [SocketAddress, Outcome][] = [
    [unixPath("/missing"), { errno: 2, kind: "notFound" }],
    [unixPath(""), { errno: 22, kind: "invalidInput" }],
    [unixPath("/file/below"), { errno: 20, kind: "notADirectory" }],
    [unixPath("/dead"), { errno: 111, kind: "connectionRefused" }],
    [unixPath("/file"), { errno: 111, kind: "connectionRefused" }],
    [unixPath("/packets"), { errno: 91, kind: "unknown" }],
    [unixPath(`/${"long/../".repeat(14)}dead`), { errno: null, kind: "invalidInput" }],
    [unixPath("/zero\0byte"), { errno: null, kind: "invalidInput" }],
    [abstractName(Buffer.from("nobody-listens-here")), { errno: 111, kind: "connectionRefused" }],
    [abstractName(new Uint8Array(0)), { errno: 22, kind: "invalidInput" }],
    [abstractName(new Uint8Array(108)), { errno: null, kind: "invalidInput" }],
    [unnamed, { errno: null, kind: "other" }],
  ];
  for (const [address, result] of expected) assert.deepEqual(await outcome(client, address), result, JSON.stringify(address));
  assert.deepEqual(agent.log.events, []);
});

test("a long path of the target can be connected to although the agent's name of it is longer than a socket address", async () => {
  using target = new UnixTarget();
  const inTarget = `/${"directory/".repeat(9)}sock`;
  mkdirSync(path.dirname(target.root + inTarget), { recursive: true });
  const cwd = process.cwd();
  process.chdir(path.dirname(target.root + inTarget));
  try {
    await target.listen("sock", (socket) => socket.write("far inside"));
  } finally {
    process.chdir(cwd);
  }
  assert.ok(Buffer.byteLength(target.root + inTarget) > 107);
  await using agent = await AgentUnderTest.start({ rootFd: target.rootFd });
  using client = await agent.client();
  assert.deepEqual((await connected(client, unixPath(inTarget))).remoteAddress, unixPath("sock"));
  assert.equal(await firstText(client), "far inside");
});

test("an abstract name may hold any bytes and is reported without its leading zero", async () => {
  const name = Buffer.concat([Buffer.from(`understudy-${process.pid}-`), Buffer.of(0, 0xff, 0xc3, 0x28)]);
  using listener = new SilentListener("stream", name);
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const { remoteAddress } = await connected(client, abstractName(name));
  assert.deepEqual(remoteAddress, abstractName(name));
  assert.ok(listener.accept());
});

test("a connect waits for a full queue without holding up anybody, and times out when it stays full", async () => {
  const name = Buffer.from(`understudy-${process.pid}-full`);
  using listener = new SilentListener("stream", name, 0);
  using _filler = occupy(name);
  await using agent = await AgentUnderTest.start({ connectTimeoutMs: 300 });
  using client = await agent.client();
  ask(client, abstractName(name));
  client.send({ kind: "ping" });
  await client.next("pong");
  assert.deepEqual(await answer(client), { errno: null, kind: "timedOut" });
  ask(client, abstractName(name));
  client.send({ kind: "ping" });
  await client.next("pong");
  assert.ok(listener.accept());
  assert.ok("connect" in (await answer(client)));
});

for (const size of [1000, 64 * 1024, 300_000]) {
  test(`8 MiB in writes of ${size} bytes reach a unix reader that starts late exactly as they were sent`, async () => {
    using target = new UnixTarget();
    const words = Uint32Array.from({ length: (8 << 20) / 4 }, (_, i) => i);
    const expected = Buffer.from(words.buffer);
    const received = Promise.withResolvers<Buffer>();
    await target.listen(
      path.join(target.root, "sock"),
      (socket) => {
        const chunks: Buffer[] = [];
        socket.on("data", (chunk: Buffer) => chunks.push(chunk));
        socket.on("end", () => {
          socket.end("done");
          received.resolve(Buffer.concat(chunks));
        });
        // Late, by then the way from the client to here is full.
        setTimeout(() => socket.resume(), 300);
      },
      { pauseOnConnect: true },
    );
    await using agent = await AgentUnderTest.start({ rootFd: target.rootFd });
    using client = await agent.client();
    const { connectionId } = await connected(client, unixPath("/sock"));
    for (let at = 0; at < expected.length; at += size) {
      client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: expected.subarray(at, at + size) } } });
    }
    client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: new Uint8Array(0) } } });
    assert.ok((await received.promise).equals(expected));
    // Both directions end on their own, as TCP's do.
    assert.equal(await firstText(client), "done");
    assert.equal((await client.next("tcpOutgoing")).value.kind, "close");
  });
}
