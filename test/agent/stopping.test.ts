// SIGTERM: clients are told, rules go, and the process leaves with 0 well within a pod's grace period, in every mode and also as process 1.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { connectToSource, RawClient } from "../pod/rawClient.ts";
import { answerAs } from "../pod/stealing.ts";

const MAX_STOP_MS = 5_000;

suite("SIGTERM", { skip: podSkipReason() }, () => {
  for (const mode of ["ephemeral", "targetless"]) {
    for (const isProcessOne of [false, true]) {
      test(`in ${mode} mode${isProcessOne ? " as process 1" : ""} tells all clients why, and leaves with 0`, async () => {
        await using pod = await Pod.start();
        await using agent = await AgentProcess.start(pod, { mode: [mode], isProcessOne });
        await using first = await agent.connect();
        await using second = await agent.connect();
        if (mode === "ephemeral") {
          await first.steal(targetPorts.http, { onRequest: answerAs("client") });
          assert.equal((await get()).body, "client /\n");
        }
        const sentAt = performance.now();
        await agent.signal("SIGTERM");
        for (const reason of await Promise.all([first.closed, second.closed])) {
          assert.equal(reason.end, "closedByAgent");
          assert.match(reason.agentText ?? "", /SIGTERM/);
        }
        assert.deepEqual(await agent.ended, { code: 0, signal: null });
        assert.ok(performance.now() - sentAt < MAX_STOP_MS);
        assert.deepEqual(await pod.redirectRules(), []);
        assert.equal(targetSaw(await get()).by, "target");
        assert.deepEqual(
          agent.log.filter(({ level }) => level !== "INFO"),
          [],
        );
      });
    }
  }

  test("before the first client has come ends the agent with 0", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await agent.signal("SIGTERM");
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
  });

  test("is obeyed although a client does not read what it was sent", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using other = await agent.connect();
    using deaf = await RawClient.connect();
    deaf.send(connectToSource(20));
    await sleep(500); // For what is sent to it to fill every buffer on the way.
    await other.ping();
    const sentAt = performance.now();
    await agent.signal("SIGTERM");
    assert.match((await other.closed).agentText ?? "", /SIGTERM/);
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.ok(performance.now() - sentAt < MAX_STOP_MS);
  });
});
