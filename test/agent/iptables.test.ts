// Redirecting without tables that the kernel removes: the launcher stays, and cleans up whatever ends the agent.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, onlyChild, Pod, podIpv6, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs } from "../pod/stealing.ts";

const { http } = targetPorts;

const env = { MIRRORD_AGENT_NFTABLES: "false", MIRRORD_AGENT_EPHEMERAL_TARGET_CONTAINER_ID: "" };

/** Chains of redirect rules that are there. */
async function chains(pod: Pod): Promise<string[]> {
  return (await pod.redirectRules()).filter((line) => line.includes("MRD"));
}

async function untilNoChains(pod: Pod): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await chains(pod)).length > 0) {
    assert.ok(performance.now() < deadline, "rules are left");
    await sleep(50);
  }
}

suite("without tables that have an owner", { skip: podSkipReason() }, () => {
  test("traffic is stolen over both families, and nothing is left when the last client leaves", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env });
    {
      await using session = await agent.connect();
      await session.steal(http, { onRequest: answerAs("client") });
      assert.equal((await get()).body, "client /\n");
      assert.equal((await get("/", { host: podIpv6 })).body, "client /\n");
      assert.ok((await chains(pod)).length > 0);
    }
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.deepEqual(await chains(pod), []);
    assert.deepEqual(
      agent.log.filter(({ level }) => level !== "INFO"),
      [],
    );
  });

  test("when the agent is killed its launcher removes the rules, and passes on how it ended", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env });
    const session = await agent.connect();
    await session.steal(http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
    process.kill(await onlyChild(await agent.pid()), "SIGKILL");
    assert.deepEqual(await agent.ended, { code: 128 + 9, signal: null });
    assert.deepEqual(await chains(pod), []);
    assert.match((await get()).body, /"by":"target"/);
  });

  test("when the agent is killed before it redirected anything, another agent's rules stay", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env });
    await pod.exec("iptables-legacy", "-t", "nat", "-N", "MRDIN_");
    process.kill(await onlyChild(await agent.pid()), "SIGKILL");
    assert.deepEqual(await agent.ended, { code: 128 + 9, signal: null });
    assert.equal((await chains(pod)).length, 1);
  });

  test("when the launcher is killed the agent ends in good order", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env });
    await using session = await agent.connect();
    await session.steal(http, { onRequest: answerAs("client") });
    await agent.signal("SIGKILL");
    await session.closed;
    await untilNoChains(pod);
    assert.match((await get()).body, /"by":"target"/);
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} is passed on to the agent, which leaves with 0`, async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, { env, isProcessOne: true });
      await using session = await agent.connect();
      await session.steal(http, { onRequest: answerAs("client") });
      await agent.signal(signal);
      assert.deepEqual(await agent.ended, { code: 0, signal: null });
      assert.deepEqual(await chains(pod), []);
    });
  }

  test("the agent's exit code is passed on", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env, options: ["-t", "1"] });
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
  });

  test("as process 1 the launcher reaps orphans, and takes little memory", async (context) => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env, isProcessOne: true });
    const launcher = await agent.pid();
    await pod.exec("nsenter", "--target", String(launcher), "--pid", "--", "sh", "-c", "(true & true &) & sleep 0.1");
    await sleep(200);
    const children = (await readFile(`/proc/${launcher}/task/${launcher}/children`, "utf8")).trim();
    assert.doesNotMatch(children, / /);
    const own = /^Private_Dirty:\s+(\d+) kB$/m.exec(await readFile(`/proc/${launcher}/smaps_rollup`, "utf8"))?.[1];
    context.diagnostic(`KiB that only the launcher has: ${own}`);
    assert.ok(Number(own) < 1024);
  });
});

suite("rules found at start", { skip: podSkipReason() }, () => {
  for (const [way, more] of [
    ["a table", {}],
    ["iptables", env],
  ] as const) {
    test(`of another agent end the agent with 99 after one client was told, redirecting by ${way}`, async () => {
      await using pod = await Pod.start();
      await pod.exec("iptables-legacy", "-t", "nat", "-N", "MRDIN_");
      await using agent = await AgentProcess.start(pod, { env: { ...more, MIRRORD_AGENT_IDLE_TTL: "60" } });
      await assert.rejects(agent.connect(), /Detected dirty iptables\..*utm_medium=agent/);
      assert.deepEqual(await agent.ended, { code: 99, signal: null });
      assert.ok(agent.events.includes("LEFTOVER_RULES"));
      assert.equal((await chains(pod)).length, 1);
    });

    test(`are removed if asked for, redirecting by ${way}`, async () => {
      await using pod = await Pod.start();
      await pod.exec("ip6tables-nft", "-t", "nat", "-N", "MIRRORD_INPUT");
      await using agent = await AgentProcess.start(pod, { env: more, options: ["-t", "60", "--clean-iptables-on-start"] });
      assert.ok(agent.events.includes("LEFTOVER_RULES_REMOVED"));
      assert.doesNotMatch(await pod.exec("ip6tables-nft-save"), /MIRRORD/);
      await using session = await agent.connect();
      await session.steal(http, { onRequest: answerAs("client") });
      assert.equal((await get("/", { host: podIpv6 })).body, "client /\n");
    });
  }
});

suite("with the addresses of the pod known", { skip: podSkipReason() }, () => {
  for (const more of [{}, env]) {
    test(`what is passed on to the address that was asked for does not come back, ${"MIRRORD_AGENT_NFTABLES" in more ? "by iptables" : "by a table"}`, async () => {
      await using pod = await Pod.start();
      const known = { MIRRORD_AGENT_POD_IPS: `10.99.0.2,10.99.0.3,${podIpv6}`, MIRRORD_AGENT_EXTERNAL_IP_FIX: "true" };
      await using agent = await AgentProcess.start(pod, { env: { ...more, ...known } });
      await using session = await agent.connect();
      await session.mirror(http, {});
      for (const host of ["10.99.0.2", podIpv6]) assert.match((await get("/", { host })).body, /"by":"target"/);
    });
  }
});
