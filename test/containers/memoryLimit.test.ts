// The agent is killed by its container's memory limit: nothing of it stays, the target is reached again at once, and the next agent starts as if nothing had been.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podIpv4, podIpv6, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs } from "../pod/stealing.ts";
import { MemoryGroup, memoryGroupSkipReason } from "./memoryGroup.ts";

/** A pod's, by default. */
const LIMIT_MIB = 100;

const launcher = fileURLToPath(new URL("../../bin/mirrord-agent", import.meta.url));

suite("killed for its container's memory limit", { skip: podSkipReason() || (await memoryGroupSkipReason()) }, () => {
  for (const way of ["table", "iptables"]) {
    test(`an agent that redirects by ${way} leaves no rule, and the next one starts`, async () => {
      await using pod = await Pod.start();
      await using group = MemoryGroup.make(LIMIT_MIB);
      const env = { UNDERSTUDY_REDIRECT: way };
      {
        const command = `${group.enter} && exec ${launcher} -l {port} -t 60 ephemeral`;
        await using agent = await AgentProcess.start(pod, { command, env });
        const session = await agent.connect();
        await session.steal(targetPorts.http, { onRequest: answerAs("client") });
        assert.equal((await get()).body, "client /\n");
        assert.equal(group.kills, 0);
        await group.fill();
        await agent.ended;
        assert.equal(group.kills > 0, true, "something else ended the agent");
        assert.equal((await session.closed).end, "connectionLost");
      }
      assert.deepEqual(await pod.redirectRules(), []);
      for (const host of [podIpv4, podIpv6]) assert.equal(targetSaw(await get("/", { host })).by, "target");
      await using next = await AgentProcess.start(pod, { env });
      await using session = await next.connect();
      await session.steal(targetPorts.http, { onRequest: answerAs("client") });
      assert.equal((await get()).body, "client /\n");
      assert.deepEqual(
        next.log.filter(({ level }) => level !== "INFO"),
        [],
      );
    });
  }
});
