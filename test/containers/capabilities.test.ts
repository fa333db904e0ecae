// An agent in targeted mode with all rights, without one of them, and with none: every client that asks gets what can be had or a clear refusal, the admin is told
// once, and nothing that cannot be done in the target's network is done in the agent's own.

import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { AgentError, type Session } from "@understudy/client";
import { AGENT_PORT, AgentProcess, type AgentProcessOptions } from "../pod/agentProcess.ts";
import { request } from "../pod/http.ts";
import { get, targetFile, targetHost, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs } from "../pod/stealing.ts";
import { type Container, ContainerNode, containersSkipReason } from "./containerNode.ts";

const METRICS_PORT = 9000;

interface Capabilities {
  readonly mode: string;
  readonly rights: Readonly<Record<string, boolean>>;
  readonly features: Readonly<Record<string, { readonly works: boolean; readonly missing?: readonly string[]; readonly text?: string }>>;
}

/** What a client asks for, by the feature that it takes. Each throws what it was refused with. */
const requests: Readonly<Record<string, (session: Session) => Promise<void>>> = {
  async files(session) {
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
  },
  async environment(session) {
    assert.equal((await session.env()).get("UNDERSTUDY_PLACE"), "container");
  },
  async names(session) {
    const found = await session.lookup(targetHost.name, "ipv4Only");
    assert.deepEqual(
      found.map(({ ip }) => ip),
      [targetHost.address],
    );
  },
  async network(session) {
    const echo = await session.connectTcp({ ip: "127.0.0.1", port: targetPorts.echo });
    echo.end("echo");
    assert.equal(await text(echo), "echo");
  },
  async redirect(session) {
    const stolen = await session.steal(targetPorts.http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
    await stolen[Symbol.asyncDispose]();
  },
  async unixPaths(session) {
    assert.equal(await text(await session.connectTcp({ path: "/tmp/understudy.sock" })), "by unix");
  },
  async unixNames(session) {
    assert.equal(await text(await session.connectTcp({ abstract: Buffer.from("understudy") })), "by unix");
  },
};

const all = Object.keys(requests);

interface Case {
  readonly name: string;
  /** Capabilities of the container beside the usual ones: it takes SYS_PTRACE to look into one that has more than the agent. */
  readonly container?: readonly string[];
  readonly without: readonly string[];
  readonly missing: readonly string[];
  readonly refused: readonly string[];
}

const cases: readonly Case[] = [
  { name: "all rights", without: [], missing: [], refused: [] },
  { name: "no NET_ADMIN", without: ["NET_ADMIN"], missing: ["NET_ADMIN"], refused: ["redirect"] },
  {
    name: "no SYS_ADMIN",
    without: ["SYS_ADMIN"],
    missing: ["SYS_ADMIN"],
    refused: ["names", "network", "redirect", "unixNames"],
  },
  {
    name: "no SYS_PTRACE",
    container: ["CAP_SYS_PTRACE"],
    without: ["SYS_PTRACE"],
    missing: ["SYS_PTRACE"],
    refused: all,
  },
  {
    name: "none of them",
    container: ["CAP_SYS_PTRACE"],
    without: ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "PERFMON"],
    missing: ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"],
    refused: all,
  },
];

suite("an agent with", { skip: containersSkipReason() }, () => {
  let node: ContainerNode;
  before(async () => (node = await ContainerNode.start()));
  after(() => node[Symbol.asyncDispose]());

  function startContainer(id: string, capabilities: readonly string[] = []): Promise<Container> {
    const listen = (name: string): string => `require("net").createServer((socket) => socket.end("by unix")).listen("${name}")`;
    const sockets = ["/tmp/understudy.sock", "\\0understudy"].map((name) => `"$0" -e '${listen(name)}' &`).join("\n");
    return node.startContainer(id, {
      capabilities,
      env: { UNDERSTUDY_PLACE: "container" },
      before: `rm -f /tmp/understudy.sock\n${sockets}`,
    });
  }

  function startAgent({ id }: Container, without: readonly string[], options: AgentProcessOptions = {}): Promise<AgentProcess> {
    return AgentProcess.start(node, {
      mode: ["targeted", "--container-id", id, "--container-runtime", "containerd"],
      options: ["-t", "60", "--metrics", `127.0.0.1:${METRICS_PORT}`],
      network: "outside",
      setpriv: without.length === 0 ? [] : ["--bounding-set", without.map((right) => `-${right.toLowerCase()}`).join(",")],
      ...options,
      env: { UNDERSTUDY_HOST_ROOT: node.hostRoot, ...options.env },
    });
  }

  for (const { name, container: capabilities, without, missing, refused: mostRefused } of cases) {
    test(`${name} does what it may, refuses the rest, and says so once`, async () => {
      await using container = await startContainer(name.toLowerCase().replaceAll(/[ _]/g, "-"), capabilities);
      await using agent = await startAgent(container, without);
      const report = await capabilitiesOf();
      // With newer kernels SYS_ADMIN or PERFMON let a process read another's environment, too.
      const refused = mostRefused.filter(
        (feature) => feature !== "environment" || without.includes("PERFMON") || !report.features[feature]?.works,
      );
      // Of what was tried at the start nothing is left.
      assert.deepEqual(await node.redirectRules(container), []);
      await using session = await agent.connect();
      for (const feature of all.filter((one) => !refused.includes(one))) await soon(() => requests[feature]!(session));
      for (const feature of refused) await assert.rejects(requests[feature]!(session), AgentError, feature);
      await session.ping();

      // Nothing was done in the agent's own network or files instead.
      if (refused.includes("network")) {
        await assert.rejects(session.connectTcp({ ip: "127.0.0.1", port: AGENT_PORT }), AgentError);
        await assert.rejects(session.connectUdp({ ip: "127.0.0.1", port: AGENT_PORT }), AgentError);
      }
      await assert.rejects(access(targetFile.path));
      assert.equal(targetSaw(await get()).by, "target");
      assert.doesNotMatch(await node.exec("nft", "list", "tables"), /understudy/);

      const told = agent.log.filter(({ level }) => level !== "INFO").map(({ fields }) => [fields.code, fields["missing"], fields["off"]]);
      assert.deepEqual(told, refused.length === 0 ? [] : [["RIGHT_MISSING", missing.join(", "), inOrder(refused).join(", ")]]);

      assert.equal(report.mode, "targeted");
      assert.deepEqual(
        Object.entries(report.rights).flatMap(([right, isHeld]) => (isHeld ? [] : [right])),
        ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"].filter((right) => without.includes(right)),
      );
      const off = Object.entries(report.features).filter(([, { works }]) => !works);
      assert.deepEqual(
        off.map(([feature]) => feature),
        inOrder(refused),
      );
      for (const [feature, { text: reason }] of off)
        assert.match(reason ?? "", /^the agent cannot .*: its container lacks the capabilit/, feature);
    });
  }

  test("no right to look into the target tells the clients that ask for its files and environment why", async () => {
    await using container = await startContainer("told", ["CAP_SYS_PTRACE"]);
    await using agent = await startAgent(container, ["SYS_PTRACE", "SYS_ADMIN", "PERFMON"]);
    const told: string[] = [];
    await using session = await agent.connect({ onLog: ({ level, message }) => void told.push(`${level}: ${message}`) });
    await session.ping();
    assert.deepEqual(told, []);
    for (let i = 0; i < 2; i++) {
      await assert.rejects(session.files.open("/etc/hosts"), AgentError);
      await assert.rejects(session.env(), AgentError);
    }
    assert.deepEqual(told, [
      "warn: the agent cannot reach the target's files: its container lacks the capability SYS_PTRACE",
      "warn: the agent cannot read the environment of the target's process: its container lacks the capability SYS_PTRACE",
    ]);
    await assert.rejects(session.lookup(targetHost.name), /lacks the capabilities SYS_ADMIN and SYS_PTRACE/);
    await assert.rejects(session.steal(targetPorts.http, {}), /lacks the capabilities SYS_ADMIN and SYS_PTRACE/);
  });

  test("no right to redirect redirects neither when it is to use iptables", async () => {
    await using container = await startContainer("iptables");
    await using agent = await startAgent(container, ["NET_ADMIN"], { env: { UNDERSTUDY_REDIRECT: "iptables" } });
    await using session = await agent.connect();
    await assert.rejects(session.steal(targetPorts.http, {}), /could not be redirected: .* lacks the capability NET_ADMIN/);
    assert.deepEqual(agent.events, ["TARGET_FOUND", "RIGHT_MISSING", "SERVING"]);
  });
});

async function capabilitiesOf(): Promise<Capabilities> {
  const { body } = await request({ host: "127.0.0.1", port: METRICS_PORT, path: "/capabilities" });
  return JSON.parse(body) as Capabilities;
}

/** In the order of the report. */
function inOrder(features: readonly string[]): readonly string[] {
  return all.filter((feature) => features.includes(feature));
}

/** What listens in the container may take a moment. */
async function soon(ask: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries === 50 || !(error instanceof AgentError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
