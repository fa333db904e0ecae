// Redirecting beside the rules of service meshes, imitated in the tables of both backends: who gets a connection, and where.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { TestAgent, createNetwork, podIpv4, podIpv6, readAll, skipReason, startServer, type Network } from "./networkFixture.ts";

const skip = skipReason();

const app = 80;
/** A port that the sidecar leaves alone. */
const skipped = 9090;
const sidecar = 15_006;
/** The sidecar's user. */
const proxyUser = 1337;

interface MeshRules {
  readonly output: string;
  readonly inbound: string;
  /** Rule of the inbound chain for ports that are left alone. */
  readonly excluded: (ports: string[]) => string[];
}

const oneRuleEach =
  (chain: string) =>
  (ports: string[]): string[] =>
    ports.map((port) => `-A ${chain} -p tcp -m tcp --dport ${port} -j RETURN`);

const sidecars: Readonly<Record<string, MeshRules>> = {
  linkerd: {
    output: "PROXY_INIT_OUTPUT",
    inbound: "PROXY_INIT_REDIRECT",
    excluded: (ports) => [`-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports ${ports.join(",")} -j RETURN`],
  },
  istio: { output: "ISTIO_OUTPUT", inbound: "ISTIO_INBOUND", excluded: oneRuleEach("ISTIO_INBOUND") },
  kuma: { output: "KUMA_MESH_OUTBOUND", inbound: "KUMA_MESH_INBOUND", excluded: oneRuleEach("KUMA_MESH_INBOUND") },
};

async function restore(network: Network, program: string, table: string, rules: readonly string[]): Promise<void> {
  const text = [`*${table}`, ...rules, "COMMIT", ""].join("\n");
  await network.exec("pod", "sh", "-c", `printf '%s' "$0" | /usr/sbin/${program} --noflush`, text);
}

/** Rules of a sidecar: connections from outside go to it, what its user sends goes on. */
async function installSidecar(network: Network, backend: string, { output, inbound, excluded }: MeshRules): Promise<void> {
  const rules = [
    `-N ${inbound}`,
    `-A PREROUTING -p tcp -j ${inbound}`,
    ...excluded(["15020", "15090", String(skipped)]),
    `-A ${inbound} -p tcp -j REDIRECT --to-ports ${sidecar}`,
    `-N ${output}`,
    `-A OUTPUT -p tcp -j ${output}`,
    `-A ${output} -m owner --uid-owner ${proxyUser} -j RETURN`,
    `-A ${output} -o lo -j RETURN`,
  ];
  await restore(network, `iptables-${backend}-restore`, "nat", rules);
  await restore(network, `ip6tables-${backend}-restore`, "nat", rules);
}

/** Who a connection reaches: the agent says whereto it was going. */
async function reached(network: Network, where: "pod" | "peer", host: string, port: number, user?: number): Promise<string> {
  const as = user === undefined ? [] : ["setpriv", "--reuid", String(user), "--clear-groups"];
  const said = (await network.exec(where, ...as, ...readAll(host, port))).trim();
  return said.startsWith("{") ? "agent" : said;
}

suite("beside a sidecar", { skip }, () => {
  for (const [name, rules] of Object.entries(sidecars)) {
    for (const backend of ["legacy", "nft"]) {
      // What the two ways have in common is tried with one mesh.
      for (const way of name === "istio" ? ["table", "iptables"] : ["table"]) {
        test(`${name}, rules of iptables-${backend}, redirecting by ${way}: its traffic is taken behind it, and excluded ports from outside`, async () => {
          await using network = await createNetwork();
          await installSidecar(network, backend, rules);
          await using _sidecar = await startServer(network, sidecar, "sidecar");
          await using _app = await startServer(network, app, "app");
          await using agent = new TestAgent(network, { way, containerId: "abc" });
          await agent.ask("add", app, skipped, 15_020);
          for (const host of [podIpv4, podIpv6]) {
            assert.equal(await reached(network, "peer", host, app), "sidecar");
            assert.equal(await reached(network, "peer", host, skipped), "agent");
            assert.equal(await reached(network, "peer", host, 15_020), "agent");
            const loopback = host === podIpv4 ? "127.0.0.1" : "::1";
            assert.equal(await reached(network, "pod", loopback, app, proxyUser), "agent");
          }
          await agent.ask("remove", app, skipped, 15_020);
          assert.equal(await reached(network, "pod", "127.0.0.1", app, proxyUser), "app");
        });
      }
    }
  }

  test("told that it is Istio's CNI plug-in, nothing is taken from outside", async () => {
    await using network = await createNetwork();
    await using _app = await startServer(network, app, "app");
    for (const way of ["table", "iptables"]) {
      await using agent = new TestAgent(network, { way, istioCni: true });
      await agent.ask("add", app);
      for (const host of [podIpv4, podIpv6]) {
        assert.equal(await reached(network, "peer", host, app), "app");
        assert.equal(await reached(network, "pod", host, app), "agent");
      }
    }
  });
});

const routeLocalnet = (network: Network): Promise<string> =>
  network.exec("pod", "cat", "/proc/sys/net/ipv4/conf/all/route_localnet").then((text) => text.trim());

/** Rules of the ambient mode: what is on its way inside the pod is accepted, or goes to the proxy. */
async function installAmbient(network: Network, backend: string): Promise<void> {
  const nat = ["-N ISTIO_OUTPUT", "-A OUTPUT -j ISTIO_OUTPUT", `-A ISTIO_OUTPUT -p tcp --dport ${app} -j REDIRECT --to-ports ${sidecar}`];
  await restore(network, `iptables-${backend}-restore`, "nat", nat);
  await restore(network, `iptables-${backend}-restore`, "mangle", ["-N ISTIO_OUTPUT", "-A OUTPUT -j ISTIO_OUTPUT"]);
}

suite("beside an ambient mesh", { skip }, () => {
  for (const backend of ["legacy", "nft"]) {
    for (const way of ["table", "iptables"]) {
      test(`rules of iptables-${backend}, redirecting by ${way}: its rules come after, and route_localnet is as before in the end`, async () => {
        await using network = await createNetwork();
        await installAmbient(network, backend);
        await using _app = await startServer(network, app, "app");
        await using _proxy = await startServer(network, sidecar, "proxy");
        {
          await using agent = new TestAgent(network, { way, containerId: "abc" });
          await agent.ask("add", app);
          assert.equal(await routeLocalnet(network), "1");
          assert.equal(await reached(network, "pod", podIpv4, app), "agent");
          assert.equal(await reached(network, "peer", podIpv4, app), "agent");
          assert.equal(await reached(network, "pod", podIpv6, app), "agent");
        }
        assert.equal(await routeLocalnet(network), "0");
        assert.equal(await reached(network, "pod", podIpv4, app), "proxy");
        const left = await network.exec("pod", `iptables-${backend}-save`);
        assert.doesNotMatch(left, /MRD/);
      });
    }
  }

  test("another agent's need of route_localnet is respected, and the last one restores it", async () => {
    await using network = await createNetwork();
    await installAmbient(network, "legacy");
    const note = (comment: string): string => `-A MRD_ROUTE_LOCALNET -p 255 -m comment --comment ${comment} -j RETURN`;
    const notes = ["-N MRD_ROUTE_LOCALNET", note("mirrord-localnet-original-0"), note("mirrord-localnet-ref-MRDIN_other")];
    await restore(network, "iptables-legacy-restore", "nat", notes);
    await network.exec("pod", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet");
    {
      await using agent = new TestAgent(network, { containerId: "abc" });
      await agent.ask("add", app);
      assert.match(await network.exec("pod", "iptables-legacy-save", "-t", "nat"), /localnet-ref-understudy/);
    }
    assert.equal(await routeLocalnet(network), "1");
    const left = await network.exec("pod", "iptables-legacy-save", "-t", "nat");
    assert.match(left, /localnet-ref-MRDIN_other/);
    assert.doesNotMatch(left, /localnet-ref-understudy/);
  });

  test("what a killed agent did to route_localnet is undone by the next", async () => {
    await using network = await createNetwork();
    await installAmbient(network, "nft");
    const first = new TestAgent(network, { containerId: "abc" });
    await first.ask("add", app);
    process.kill(await first.ask<number>("nftPid"), "SIGKILL");
    await first.kill();
    assert.equal(await routeLocalnet(network), "1");
    await using next = new TestAgent(network, { containerId: "def" });
    assert.equal(await next.ask("leftovers"), false);
    assert.equal(await routeLocalnet(network), "0");
    assert.doesNotMatch(await network.exec("pod", "iptables-nft-save", "-t", "nat"), /MRD/);
  });

  test("where route_localnet cannot be changed nothing is redirected, and the notes are taken back", async () => {
    await using network = await createNetwork();
    await installAmbient(network, "legacy");
    await using agent = new TestAgent(network, { isReadOnly: true });
    await assert.rejects(agent.ask("add", app), /RedirectError: .*route_localnet cannot be changed/);
    assert.doesNotMatch(await network.exec("pod", "iptables-legacy-save", "-t", "nat"), /MRD/);
    assert.equal((await network.exec("pod", "nft", "list", "tables")).trim(), "");
  });
});

suite("the agent's own port", { skip }, () => {
  for (const backend of ["legacy", "nft"]) {
    for (const way of ["table", "iptables"]) {
      test(`is kept out of a mesh with rules of iptables-${backend}, by ${way}`, async () => {
        const port = 61_337;
        await using network = await createNetwork();
        await installSidecar(network, backend, sidecars["istio"] as MeshRules);
        await using _sidecar = await startServer(network, sidecar, "sidecar");
        await using _agentPort = await startServer(network, port, "agent port");
        assert.equal(await reached(network, "peer", podIpv4, port), "sidecar");
        {
          await using agent = new TestAgent(network, { way, containerId: "abc" });
          await agent.ask("exclude", port);
          for (const host of [podIpv4, podIpv6]) {
            assert.equal(await reached(network, "peer", host, port), "agent port");
            assert.equal(await reached(network, "peer", host, app), "sidecar");
          }
          await agent.ask("add", app);
          await agent.ask("remove", app);
          assert.equal(await reached(network, "peer", podIpv4, port), "agent port");
        }
        assert.equal(await reached(network, "peer", podIpv4, port), "sidecar");
      });
    }
  }
});
