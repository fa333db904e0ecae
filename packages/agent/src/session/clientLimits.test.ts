// How long a client may say nothing, how many there may be, and how one that has vanished is noticed.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { AgentUnderTest, Client } from "./sessionFixture.ts";

const skipSs = spawnSync("ss", ["-V"]).error !== undefined && process.env["CI"] === undefined ? "needs ss" : false;

test("a client that says nothing for too long is told and closed, one that pings stays", async () => {
  await using agent = await AgentUnderTest.start({ silentTimeoutMs: 2500 });
  using silent = await agent.client();
  using lively = await agent.client();
  silent.send({ kind: "ping" });
  await silent.next("pong");
  const pinging = setInterval(() => lively.send({ kind: "ping" }), 200);
  assert.equal((await silent.next("close")).value, "the client said nothing for 2.5 s");
  await silent.closed;
  clearInterval(pinging);
  await lively.next("pong");
  assert.equal(agent.sessions.count, 1);
  assert.equal(agent.metrics.silentSessions.value, 1);
  assert.deepEqual(agent.log.events, []);
});

test("one client too many is told so, and the others stay", async () => {
  await using agent = await AgentUnderTest.start({ maxSessions: 2 });
  using first = await agent.client();
  using second = await agent.client();
  for (const client of [first, second]) {
    client.send({ kind: "ping" });
    await client.next("pong");
  }
  const socket = connect(agent.port, "127.0.0.1");
  await once(socket, "connect");
  using third = new Client(socket);
  third.send({ kind: "switchProtocolVersion", value: "1.29.0" });
  assert.equal((await third.next("close")).value, "the agent serves 2 clients already");
  await third.closed;
  first[Symbol.dispose]();
  while (agent.sessions.count > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  using fourth = await agent.client();
  fourth.send({ kind: "ping" });
  await fourth.next("pong");
  assert.equal(agent.metrics.refusedSessions.value, 1);
});

test("the kernel asks a client that says nothing whether it is there", { skip: skipSs }, async () => {
  await using agent = await AgentUnderTest.start();
  using client = await agent.client();
  client.send({ kind: "ping" });
  await client.next("pong");
  const { stdout } = await promisify(execFile)("ss", ["-Htno", "state", "established", `sport = :${agent.port}`]);
  assert.match(stdout, /timer:\(keepalive,(?:2[5-9]|30)/);
});
