// Who reaches the client port, by UNDERSTUDY_LISTEN_ADDRESS.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AGENT_PORT, AgentProcess } from "../pod/agentProcess.ts";
import { outsideIpv4, Pod, podIpv4, podSkipReason } from "../pod/pod.ts";

async function listeningAt(pod: Pod): Promise<string[]> {
  const table = await pod.exec("ss", "-H", "-t", "-l", "-n", `sport = :${AGENT_PORT}`);
  return table.split("\n").flatMap((line) => line.trim().split(/\s+/)[3] ?? []);
}

suite("the client port", { skip: podSkipReason() }, () => {
  test("is reached on every address by default", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    assert.deepEqual(await listeningAt(pod), [`*:${AGENT_PORT}`]);
    await using session = await agent.connect();
    await session.ping();
  });

  test("is reached from inside the pod only when it is on the loopback address", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { UNDERSTUDY_LISTEN_ADDRESS: "127.0.0.1" } });
    assert.deepEqual(await listeningAt(pod), [`127.0.0.1:${AGENT_PORT}`]);
    await assert.rejects(agent.connect(), /ECONNREFUSED/);
    assert.deepEqual(agent.events.slice(-1), ["SERVING"]);
  });

  test("is on the given address alone", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { UNDERSTUDY_LISTEN_ADDRESS: podIpv4 } });
    assert.deepEqual(await listeningAt(pod), [`${podIpv4}:${AGENT_PORT}`]);
    await using session = await agent.connect();
    await session.ping();
  });

  test("is not opened to everybody when its address makes no sense", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { UNDERSTUDY_LISTEN_ADDRESS: "localhost" } });
    assert.deepEqual(await listeningAt(pod), [`127.0.0.1:${AGENT_PORT}`]);
    assert.ok(agent.events.includes("SETTING_INVALID"));
  });

  test("ends the agent with 1 when its address is not the pod's", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { UNDERSTUDY_LISTEN_ADDRESS: outsideIpv4 }, awaitsReady: false });
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
    assert.ok(agent.events.includes("LISTEN_FAILED"));
  });
});
