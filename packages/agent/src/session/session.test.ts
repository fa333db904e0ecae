import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileResponse } from "@understudy/protocol";
import { AgentUnderTest } from "./sessionFixture.ts";

const switchVersion = { kind: "switchProtocolVersion", value: "1.29.0" } as const;

test("the lower of both versions is agreed on, and may be agreed on again", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "switchProtocolVersion", value: "1.30.0" }, { kind: "switchProtocolVersion", value: "1.4.0" });
  assert.equal((await client.next("switchProtocolVersionResponse")).value, "1.29.0");
  assert.equal((await client.next("switchProtocolVersionResponse")).value, "1.4.0");
});

test("every ping gets one pong, also when thousands come at once and byte by byte", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  const count = 200_000;
  client.sendRaw(new Uint8Array(count).fill(7));
  for (let i = 0; i < count; i++) await client.next("pong");
  assert.equal(client.messages.length, 0);
});

test("a client that never reads its pongs is not read from, and others are served", async () => {
  await using agent = await AgentUnderTest.start();
  using deaf = await agent.client();
  using other = await agent.client();
  deaf.socket.pause();
  const pings = new Uint8Array(64 * 1024).fill(7);
  let sent = 0;
  // The kernel's buffers take some megabytes before the agent's refusal to read is felt.
  while (sent < 400 && deaf.socket.write(pings)) sent += 1;
  other.send({ kind: "ping" });
  await other.next("pong");
  deaf.socket.resume();
  await deaf.next("pong");
});

test("a malformed message ends its session with a reason, one admin event, and nothing of it for others", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  using other = await agent.client();
  client.sendRaw(Uint8Array.of(7, 200));
  assert.match((await client.next("close")).value, /variant 200/);
  await client.closed;
  other.send({ kind: "ping" });
  await other.next("pong");
  assert.deepEqual(
    agent.log.events.map(({ code }) => code),
    ["MALFORMED_MESSAGE"],
  );
});

test("an absurd length ends its session without an admin event", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.sendRaw(Uint8Array.of(3, 1, 0, 0xfd, 255, 255, 255, 255, 255, 255, 255, 255));
  assert.match((await client.next("close")).value, /maxMessageBytes/);
  await client.closed;
  assert.deepEqual(agent.log.events, []);
});

test("half a message and a reset are no admin events", async () => {
  await using agent = await AgentUnderTest.start();
  const half = await agent.client();
  half.sendRaw(Uint8Array.of(3, 1, 0, 100, 1, 2, 3));
  half.socket.end();
  await half.closed;
  const reset = await agent.client();
  reset.send({ kind: "ping" });
  await reset.next("pong");
  reset.socket.resetAndDestroy();
  await reset.closed;
  using other = await agent.client();
  other.send({ kind: "ping" });
  await other.next("pong");
  assert.deepEqual(agent.log.events, []);
});

test("what is not supported is refused with the known text, and the session goes on", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "pauseTargetRequest", value: true }, { kind: "vpn", value: { kind: "openSocket" } });
  client.send(
    { kind: "tcpSteal", value: { kind: "portUnsubscribe", value: 1 } },
    { kind: "tcp", value: { kind: "portSubscribe", value: 1 } },
  );
  client.send({ kind: "ping" });
  assert.equal((await client.next("close")).value, "Pause isn't supported anymore.");
  assert.equal((await client.next("close")).value, "VPN is not supported");
  assert.equal((await client.next("close")).value, "incoming traffic stealing is not available in the targetless mode");
  assert.match((await client.next("close")).value, /^component responsible for mirroring/);
  await client.next("pong");
});

test("answers of one kind keep the order of their requests, and kinds do not wait for each other", async () => {
  const slowFile = Promise.withResolvers<FileResponse>();
  const slowName = Promise.withResolvers<void>();
  await using agent = await AgentUnderTest.start({
    handleFile: () => slowFile.promise,
    lookup: async (node) => {
      if (node === "slow") await slowName.promise;
      return [{ name: node, ip: "10.0.0.1" }];
    },
  });
  using client = await agent.client();
  client.send(switchVersion, { kind: "fileRequest", value: { kind: "readLink", value: { path: "/x" } } });
  client.send(
    { kind: "getAddrInfoRequest", value: { node: "slow" } },
    { kind: "getAddrInfoRequest", value: { node: "quick" } },
    { kind: "ping" },
  );
  client.send({ kind: "getEnvVarsRequest", value: { envVarsFilter: new Set(), envVarsSelect: new Set() } });
  await client.next("pong");
  await client.next("getEnvVarsResponse");
  assert.equal(client.messages.filter(({ kind }) => kind === "getAddrInfoResponse").length, 0);
  slowName.resolve();
  const names = [await client.next("getAddrInfoResponse"), await client.next("getAddrInfoResponse")];
  assert.deepEqual(
    names.map(({ value }) => (value.kind === "ok" ? value.value[0]?.name : null)),
    ["slow", "quick"],
  );
  slowFile.resolve({ kind: "readLink", value: { kind: "ok", value: { path: "/y" } } });
  await client.next("file");
});

test("a client that takes nothing for too long is closed", async () => {
  await using agent = await AgentUnderTest.start({
    deafTimeoutMs: 100,
    handleFile: () =>
      Promise.resolve({ kind: "read", value: { kind: "ok", value: { bytes: new Uint8Array(512 * 1024), readAmount: 512 * 1024 } } }),
  });
  using client = await agent.client();
  client.socket.pause();
  for (let i = 0; i < 64; i++) client.send({ kind: "fileRequest", value: { kind: "read", value: { remoteFd: 0, bufferSize: 524_288 } } });
  const gone = Promise.withResolvers<void>();
  const check = setInterval(() => {
    if (agent.sessions.count === 0) gone.resolve();
  }, 20);
  await gone.promise;
  clearInterval(check);
  assert.equal(agent.metrics.deafSessions.value, 1);
  assert.deepEqual(agent.log.events, []);
});

test("leaving with a reason comes after what was already answered", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "ping" }, { kind: "ping" });
  await client.next("pong");
  await agent.sessions.close("the node is drained");
  await client.next("pong");
  assert.equal((await client.next("close")).value, "the node is drained");
  await client.closed;
});

test("five hundred sessions at once are all served", async () => {
  await using agent = await AgentUnderTest.start();
  const clients = await Promise.all(Array.from({ length: 500 }, () => agent.client()));
  for (const client of clients) client.send(switchVersion, { kind: "ping" });
  for (const client of clients) await client.next("pong");
  assert.equal(agent.sessions.count, 500);
  for (const client of clients) client[Symbol.dispose]();
});

test("bytes are counted by what they belong to, both ways", async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "ping" }, { kind: "getAddrInfoRequest", value: { node: "name" } });
  await client.next("getAddrInfoResponse");
  const { receivedBytes, sentBytes } = agent.metrics;
  assert.deepEqual([receivedBytes.with("control").value, receivedBytes.with("dns").value], [1, 6]);
  assert.deepEqual([sentBytes.with("control").value, sentBytes.with("dns").value], [1, 3]);
});
