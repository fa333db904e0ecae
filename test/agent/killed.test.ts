// Ends that nobody announces: the agent is killed, or the child that holds its rules. The target must be reached again at once.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podIpv6, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs } from "../pod/stealing.ts";

const { http } = targetPorts;

const MAX_RECOVERY_MS = 1_000;

/** Asks until an answer is of the kind that is waited for, and returns after how many milliseconds. */
async function answeredBy(who: "target" | "client"): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const bodies = await Promise.all([get(), get("/", { host: podIpv6 })].map((response) => response.then(({ body }) => body, String)));
    const isThere = bodies.every((body) => (who === "client" ? body === "client /\n" : body.includes('"by":"target"')));
    const elapsedMs = performance.now() - startedAt;
    if (isThere) return elapsedMs;
    assert.ok(elapsedMs < 10_000, `still answered with ${bodies.join(", ")}`);
  }
}

suite("when it is killed", { skip: podSkipReason() }, () => {
  test("the agent leaves no rule, the target answers at once, and the next agent starts as if nothing had been", async () => {
    await using pod = await Pod.start();
    {
      await using agent = await AgentProcess.start(pod);
      const session = await agent.connect();
      await session.steal(http, { onRequest: answerAs("client") });
      assert.equal((await get()).body, "client /\n");
      await agent.killGroup();
      assert.ok((await answeredBy("target")) < MAX_RECOVERY_MS);
      assert.deepEqual(await pod.redirectRules(), []);
      assert.equal((await session.closed).end, "connectionLost");
    }
    await using next = await AgentProcess.start(pod);
    await using session = await next.connect();
    await session.steal(http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
    assert.deepEqual(
      next.log.filter(({ level }) => level !== "INFO"),
      [],
    );
  });

  test("the child that holds the rules is replaced at once, and stealing goes on", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(http, { onRequest: answerAs("client") });
    const before = await agent.nftPid();
    process.kill(before, "SIGKILL");
    await agent.event("REDIRECT_RULES_RELOADED");
    assert.ok((await answeredBy("client")) < MAX_RECOVERY_MS);
    assert.notEqual(await agent.nftPid(), before);
    await session.ping();
  });

  test("again and again, that child is given up; its sessions are told, and the rules come back later", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    const told: string[] = [];
    await using session = await agent.connect({ onLog: ({ level, message }) => void told.push(`${level}: ${message}`) });
    await session.steal(http, { onRequest: answerAs("client") });
    while (!agent.events.includes("REDIRECT_RULES_LOST")) {
      try {
        process.kill(await agent.nftPid(), "SIGKILL");
      } catch {
        // There is none at the moment.
      }
    }
    await session.ping();
    assert.match(told.join("\n"), /^error: Port 80 is not redirected any more/m);
    await answeredBy("client");
  });
});

suite("a second agent beside another", { skip: podSkipReason() }, () => {
  test("tells its client and leaves, and the first goes on undisturbed", async () => {
    await using pod = await Pod.start();
    await using first = await AgentProcess.start(pod);
    await using stealing = await first.connect();
    await stealing.steal(http, { onRequest: answerAs("client") });
    await using late = await AgentProcess.start(pod, { port: 61_338 });
    await assert.rejects(late.connect(), /Detected dirty iptables/);
    assert.deepEqual(await late.ended, { code: 99, signal: null });
    assert.equal((await get()).body, "client /\n");
  });

  test("that was there before anything was redirected refuses to redirect and says why, until the first leaves", async () => {
    await using pod = await Pod.start();
    await using first = await AgentProcess.start(pod);
    await using second = await AgentProcess.start(pod, { port: 61_338 });
    await using stealing = await first.connect();
    await stealing.steal(http, { onRequest: answerAs("client") });
    await using refused = await second.connect();
    await assert.rejects(refused.steal(http, {}), (error) => error instanceof AgentError && /another agent redirects/.test(error.message));
    await refused.ping();
    assert.equal((await get()).body, "client /\n");
    // Its group is the first agent's here as well, so what it connects is passed by both.
    await stealing[Symbol.asyncDispose]();
    await first.ended;
    await refused.steal(http, { onRequest: answerAs("second") });
    assert.equal((await get()).body, "second /\n");
  });
});
