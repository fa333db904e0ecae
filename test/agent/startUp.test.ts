// The start and the end of the agent's process: what it prints, whom it waits for, and with which code it leaves.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { AGENT_PORT, AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4, podSkipReason } from "../pod/pod.ts";

suite("the agent's process", { skip: podSkipReason() }, () => {
  test("says once that it is ready, and leaves with 0 when its last client leaves", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    assert.equal(agent.lines.filter((line) => line.includes("agent ready")).length, 1);
    const first = await agent.connect();
    const second = await agent.connect();
    assert.equal(first.version, "1.29.0");
    await first[Symbol.asyncDispose]();
    await second.ping();
    await second[Symbol.asyncDispose]();
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.equal(agent.errors, "");
  });

  test("leaves with 1 and says so when no client comes in time", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { options: ["-t", "1"] });
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
    assert.ok(agent.events.includes("NO_CLIENT_CAME"));
  });

  test("stays for the idle time after its last client, and serves who comes in it", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "2" } });
    await (await agent.connect())[Symbol.asyncDispose]();
    const last = await agent.connect();
    await last.ping();
    const leftAt = performance.now();
    await last[Symbol.asyncDispose]();
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    const stayedMs = performance.now() - leftAt;
    assert.ok(stayedMs > 1_900 && stayedMs < 3_500, `the agent stayed for ${stayedMs} ms`);
  });

  test("with --test-error it closes its first client's connection and leaves with 1", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { options: ["-t", "60", "--test-error"] });
    const socket = connect(AGENT_PORT, podIpv4);
    socket.on("error", () => undefined).resume();
    await once(socket, "close");
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
  });

  test("leaves with 2 and an explanation on standard error when it is used wrongly", async () => {
    await using pod = await Pod.start();
    for (const options of [["--no-such-option"], ["-t", "soon"], ["-t", "70000"]]) {
      await using agent = await AgentProcess.start(pod, { options, awaitsReady: false });
      assert.deepEqual(await agent.ended, { code: 2, signal: null }, options.join(" "));
      assert.match(agent.errors, /Usage: mirrord-agent/);
      assert.deepEqual(agent.lines, []);
    }
  });

  test("leaves with 1 and says so when it is to find a container, without a readiness line", async () => {
    await using pod = await Pod.start();
    const mode = ["targeted", "--container-id", "0123456789abcdef", "--container-runtime", "containerd"];
    await using agent = await AgentProcess.start(pod, { mode, awaitsReady: false });
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
    assert.deepEqual(agent.events, ["TARGET_NOT_FOUND"]);
    assert.ok(!agent.lines.some((line) => line.includes("agent ready")));
  });

  test("leaves with 1 instead of serving everybody when the operator's certificate is none", async () => {
    await using pod = await Pod.start();
    const env = { AGENT_OPERATOR_CERT_ENV: "-----BEGIN CERTIFICATE-----" };
    await using agent = await AgentProcess.start(pod, { env, awaitsReady: false });
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
    assert.deepEqual(agent.events, ["OPERATOR_CERTIFICATE_UNUSABLE"]);
  });

  test("leaves with 1 and names the reason when its port is taken", async () => {
    await using pod = await Pod.start();
    await using first = await AgentProcess.start(pod);
    await using second = await AgentProcess.start(pod, { awaitsReady: false });
    assert.deepEqual(await second.ended, { code: 1, signal: null });
    assert.ok(second.events.includes("LISTEN_FAILED"));
    await using session = await first.connect();
    await session.ping();
  });

  test("ignores and reports a setting that makes no sense", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "a while" } });
    assert.deepEqual(agent.events.slice(0, 1), ["SETTING_INVALID"]);
    await using session = await agent.connect();
    await session.ping();
  });
});
