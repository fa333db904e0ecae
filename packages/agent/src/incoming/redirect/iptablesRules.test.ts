// Redirecting by iptables, with both backends: the same as by a table with an owner, but that somebody else has to clean up.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  TestAgent,
  agentGroup,
  createNetwork,
  podIpv4,
  podIpv6,
  readAll,
  skipReason,
  startServer,
  type Network,
} from "./networkFixture.ts";

const skip = skipReason();

/** All rules of table nat, in both families. */
async function savedRules(network: Network, backend: string): Promise<string> {
  const programs = [`iptables-${backend}-save`, `ip6tables-${backend}-save`];
  return (await Promise.all(programs.map((program) => network.exec("pod", program, "-t", "nat")))).join("");
}

const isAgent = (said: string): boolean => said.startsWith("{");

for (const backend of ["legacy", "nft"] as const) {
  const options = { way: "iptables", nftables: backend === "nft", containerId: "0123456789abcdef0123456789abcdef" };

  suite(`by iptables-${backend}`, { skip }, () => {
    test("connections from outside and inside the pod are redirected, the agent's own are not, and nothing is left in the end", async () => {
      await using network = await createNetwork();
      await using _app = await startServer(network, 80, "app");
      {
        await using agent = new TestAgent(network, options);
        await agent.ask("add", 80, 81);
        const asAgent = ["setpriv", "--regid", String(agentGroup), "--clear-groups"];
        for (const host of [podIpv4, podIpv6, "127.0.0.1", "::1"]) {
          if (host === podIpv4 || host === podIpv6) assert.ok(isAgent(await network.exec("peer", ...readAll(host, 80))));
          assert.ok(isAgent(await network.exec("pod", ...readAll(host, 80))));
          assert.equal((await network.exec("pod", ...asAgent, ...readAll(host, 80))).trim(), "app");
        }
        assert.match(await savedRules(network, backend), /^:MRDSTD_0123456789abcdef0123 /m);
        await agent.ask("remove", 80);
        assert.equal((await network.exec("peer", ...readAll(podIpv4, 80))).trim(), "app");
        assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv6, 81))));
        await agent.ask("remove", 81);
        assert.doesNotMatch(await savedRules(network, backend), /MRD/);
        await agent.ask("add", 80);
        assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv4, 80))));
      }
      assert.doesNotMatch(await savedRules(network, backend), /MRD/);
      assert.equal((await network.exec("peer", ...readAll(podIpv4, 80))).trim(), "app");
    });

    test("a port that the kernel refuses fails alone, among others asked for at the same time", async () => {
      await using network = await createNetwork();
      await using agent = new TestAgent(network, options);
      await agent.ask("add", 80);
      // What the agent will want to remove is not there any more.
      const rule =
        (await savedRules(network, backend)).split("\n").find((line) => /^-A MRDIN_\S+ .*--dport 80 /.test(line)) ?? assert.fail();
      await network.exec("pod", "sh", "-c", `iptables-${backend} -t nat ${rule.replace("-A ", "-D ")}`);
      const removed = agent.ask("remove", 80);
      const added = agent.ask("add", 81, 82, 83);
      await assert.rejects(removed, /RedirectError: the kernel or iptables refused redirect rules/);
      await added;
      for (const port of [81, 82, 83]) assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv6, port))));
    });

    test("1,000 ports are added and removed in far less than a second each", async (context) => {
      await using network = await createNetwork();
      await using agent = new TestAgent(network, options);
      await agent.ask("add", 80);
      const thousand = await agent.ask<number>("timeAdding", 1_000, 1_000);
      context.diagnostic(`ms for 1,000 ports: ${thousand.toFixed(1)}`);
      assert.ok(thousand < 1_000);
      assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv4, 1_999))));
      await agent.ask("remove", ...Array.from({ length: 1_000 }, (_, index) => 1_000 + index));
      assert.doesNotMatch(await savedRules(network, backend), /dport 1/);
      assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv4, 80))));
    });

    test("a second agent for the same container is refused, and one for another is not", async () => {
      await using network = await createNetwork();
      await using first = new TestAgent(network, options);
      await using same = new TestAgent(network, options);
      await using other = new TestAgent(network, { ...options, containerId: "fedcba" });
      await first.ask("add", 80);
      await assert.rejects(same.ask("add", 81), /RedirectError/);
      await other.ask("add", 81);
      assert.equal(await same.ask("leftovers"), true);
      await other.ask("remove", 81);
      assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv4, 80))));
    });

    test("what a killed agent left is found by the next, which removes it if asked to", async () => {
      await using network = await createNetwork();
      await using _app = await startServer(network, 80, "app");
      const killed = new TestAgent(network, options);
      await killed.ask("add", 80);
      await killed.kill();
      await using next = new TestAgent(network, options);
      assert.equal(await next.ask("leftovers"), true);
      const { rules } = await next.report("LEFTOVER_RULES");
      assert.match(String(rules), /MRDIN_0123456789abcdef0123 .*--dport 80/);
      assert.equal(await next.ask("leftovers", 1), false);
      await next.report("LEFTOVER_RULES_REMOVED");
      assert.doesNotMatch(await savedRules(network, backend), /MRD/);
      assert.equal((await network.exec("peer", ...readAll(podIpv4, 80))).trim(), "app");
    });
  });
}

suite("by iptables, when", { skip }, () => {
  test("the kernel or nft knows no table with an owner, it is the way out, and the admin is told", async () => {
    await using network = await createNetwork();
    await using agent = new TestAgent(network, { nftPath: "/nowhere/nft", containerId: "abc" });
    await agent.ask("add", 80);
    assert.match(String((await agent.report("REDIRECT_WITHOUT_GUARD"))["why"]), /nft/);
    assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv4, 80))));
    assert.match(await savedRules(network, "legacy"), /MRDIN_abc/);
  });

  test("the settings forbid tables, it is used, and the legacy backend", async () => {
    await using network = await createNetwork();
    await using agent = new TestAgent(network, { nftables: false, containerId: "abc", isGuarded: true });
    await agent.ask("add", 80);
    await agent.report("rulesFollow");
    await agent.report("REDIRECT_WITH_IPTABLES");
    assert.match(await savedRules(network, "legacy"), /MRDIN_abc/);
    assert.equal((await network.exec("pod", "nft", "list", "tables")).trim(), "");
  });

  test("neither way is possible, the reasons of both are told", async () => {
    await using network = await createNetwork();
    await using agent = new TestAgent(network, { nftPath: "/nowhere/nft", isPowerless: true });
    await assert.rejects(agent.ask("add", 80), /RedirectError: .*iptables.*not without iptables either: .*nft/);
    await assert.rejects(agent.ask("add", 80), /RedirectError/);
  });
});

suite("rules of a reference agent", { skip }, () => {
  for (const chain of ["MRDIN_abc", "MRDOUT_abc", "MRDSTD_abc", "MRDMSH_abc", "MIRRORD_INPUT", "MIRRORD_STANDARD"]) {
    test(`in chain ${chain} are found, and removed only if asked for`, async () => {
      await using network = await createNetwork();
      const program = chain.startsWith("MIRRORD") ? "ip6tables-nft" : "iptables-legacy";
      for (const args of [
        ["-N", chain],
        ["-A", chain, "-j", "RETURN"],
        ["-A", "PREROUTING", "-j", chain],
      ]) {
        await network.exec("pod", program, "-t", "nat", ...args);
      }
      await using agent = new TestAgent(network, { containerId: "abc" });
      assert.equal(await agent.ask("leftovers"), true);
      assert.match(await network.exec("pod", `${program}-save`), new RegExp(chain));
      assert.equal(await agent.ask("leftovers", 1), false);
      assert.doesNotMatch(await network.exec("pod", `${program}-save`), new RegExp(chain));
    });
  }

  test("for another container are left alone", async () => {
    await using network = await createNetwork();
    await network.exec("pod", "iptables-nft", "-t", "nat", "-N", "MRDIN_other");
    await using agent = new TestAgent(network, { containerId: "abc" });
    assert.equal(await agent.ask("leftovers", 1), false);
    assert.match(await network.exec("pod", "iptables-nft-save"), /MRDIN_other/);
  });
});

test("a table of a living agent is found, and none of one that was killed", { skip }, async () => {
  await using network = await createNetwork();
  const first = new TestAgent(network);
  await using next = new TestAgent(network);
  assert.equal(await next.ask("leftovers"), false);
  await first.ask("add", 80);
  assert.equal(await next.ask("leftovers"), true);
  assert.equal(await next.ask("leftovers", 1), false);
  assert.match(String((await next.report("LEFTOVER_RULES"))["rules"]), /table inet understudy/);
  assert.ok(isAgent(await network.exec("peer", ...readAll(podIpv4, 80))));
  await first.kill();
  assert.equal(await next.ask("leftovers"), false);
});
