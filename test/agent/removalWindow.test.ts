// The moments in which a port begins and ceases to be redirected: users of the target that connect all the time must not notice them.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Session, Subscription } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { EchoPeer } from "../pod/echoPeer.ts";
import { Pod, podIpv6, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { SteadyPeers } from "../pod/steadyPeers.ts";
import { answerAs, wantedBy } from "../pod/stealing.ts";

const { echo, http } = targetPorts;

const TURNS = process.env["TEST_FULL"] === undefined ? 50 : 1000;

const kinds: Readonly<Record<string, (session: Session) => Promise<Subscription>>> = {
  "stealing with a filter that wants none of them": (session) =>
    session.steal(http, { filter: wantedBy("nobody"), onRequest: answerAs("client") }),
  "stealing everything": (session) => session.steal(http, { onRequest: answerAs("client") }),
  mirroring: (session) => session.mirror(http, { onRequest: () => undefined }),
};

suite("no connection of a target's users is lost", { skip: podSkipReason() }, () => {
  for (const [kind, subscribe] of Object.entries(kinds)) {
    test(`while ${kind} begins and ends`, async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod);
      await using session = await agent.connect();
      await using peers = new SteadyPeers(pod);
      for (let turn = 0; turn < TURNS; turn += 1) {
        const subscription = await subscribe(session);
        await peers.more(3);
        await subscription.close();
        await peers.more(1);
      }
      await peers.stop();
      assert.deepEqual(peers.failures, []);
      assert.ok((peers.answers.get("target") ?? 0) > 0);
      assert.deepEqual([...peers.answers.keys()].toSorted(), kind === "stealing everything" ? ["client /steady", "target"] : ["target"]);
      assert.deepEqual(
        agent.log.filter(({ level }) => level !== "INFO"),
        [],
      );
    });
  }

  test("while sessions that steal come and vanish", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using _staying = await agent.connect();
    await using peers = new SteadyPeers(pod);
    for (let turn = 0; turn < TURNS; turn += 1) {
      const ending = new AbortController();
      const session = await agent.connect({ signal: ending.signal });
      await session.steal(http, { filter: wantedBy("nobody") });
      await session.mirror(http, {});
      await peers.more(2);
      ending.abort();
      await session.closed;
      await peers.more(1);
    }
    await peers.stop();
    assert.deepEqual(peers.failures, []);
  });

  test("when the last client leaves, and the agent with it", async () => {
    await using pod = await Pod.start();
    await using peers = new SteadyPeers(pod);
    for (let turn = 0; turn < 3; turn += 1) {
      await using agent = await AgentProcess.start(pod);
      const session = await agent.connect();
      await session.steal(http, { filter: wantedBy("nobody") });
      await peers.more(10);
      await session[Symbol.asyncDispose]();
      assert.equal((await agent.ended).code, 0);
    }
    await peers.stop();
    assert.deepEqual(peers.failures, []);
  });

  test("when the agent is stopped by SIGTERM", async () => {
    await using pod = await Pod.start();
    await using peers = new SteadyPeers(pod);
    for (let turn = 0; turn < 3; turn += 1) {
      await using agent = await AgentProcess.start(pod);
      await using session = await agent.connect();
      await session.steal(http, { filter: wantedBy("nobody") });
      await peers.more(10);
      await agent.signal("SIGTERM");
      assert.equal((await agent.ended).code, 0);
    }
    await peers.stop();
    assert.deepEqual(peers.failures, []);
  });

  test("that was open before its port is stolen, and goes on past the agent's end", async () => {
    await using pod = await Pod.start();
    using outside = await EchoPeer.connect();
    using overIpv6 = await EchoPeer.connect(podIpv6);
    assert.equal(await outside.echo("<before>"), "<before>");
    assert.equal(await overIpv6.echo("<before>"), "<before>");
    await using agent = await AgentProcess.start(pod);
    const session = await agent.connect();
    await session.steal(echo, {});
    assert.equal(await outside.echo("<while>"), "<while>");
    assert.equal(await overIpv6.echo("<while>"), "<while>");
    await session[Symbol.asyncDispose]();
    await agent.ended;
    assert.equal(await outside.echo("<after>"), "<after>");
    assert.equal(await overIpv6.echo("<after>"), "<after>");
  });

  test("that the agent passes on while its rules are lost and loaded again", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(echo, { filter: wantedBy("nobody") });
    using peer = await EchoPeer.connect();
    assert.equal(await peer.echo("<before>"), "<before>");
    process.kill(await agent.nftPid(), "SIGKILL");
    await agent.event("REDIRECT_RULES_RELOADED");
    assert.equal(await peer.echo("<after>"), "<after>");
  });
});

suite("a connection that the agent passes on", { skip: podSkipReason() }, () => {
  for (const end of ["SIGTERM", "the last client's leaving"]) {
    test(`is ended towards its peer, not left to hang, on ${end}`, async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod);
      await using session = await agent.connect();
      await session.steal(echo, { filter: wantedBy("nobody") });
      using peer = await EchoPeer.connect();
      assert.equal(await peer.echo("<bytes>"), "<bytes>");
      const closed = peer.closed;
      if (end === "SIGTERM") await agent.signal("SIGTERM");
      else await session[Symbol.asyncDispose]();
      await closed;
      assert.equal((await agent.ended).code, 0);
    });
  }
});
