// The agent in targeted mode, in a pod of its own on the target's node: it finds the container by its runtime, and serves that container's environment, files,
// names and network, although its own are others.

import assert from "node:assert/strict";
import { access, readdir, readFile, readlink } from "node:fs/promises";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "@understudy/client";
import { ContainerNode, containersSkipReason } from "../containers/containerNode.ts";
import { startCrio, startDocker } from "../containers/runtimeStubs.ts";
import { AGENT_PORT, AgentProcess, type AgentProcessOptions } from "../pod/agentProcess.ts";
import { request } from "../pod/http.ts";
import { get, outsideIpv4, podIpv4, targetFile, targetHost, targetSaw } from "../pod/pod.ts";
import { nameServer, targetPorts } from "../pod/ports.ts";
import { answerAs } from "../pod/stealing.ts";

const { http } = targetPorts;

/** Far more than noticing takes, far less than any time-out of the agent. */
const NOTICE_MS = 2_000;

const CAP_NET_ADMIN = 12n;
const CAP_SYS_PTRACE = 19n;
const CAP_SYS_ADMIN = 21n;

const EPERM = 1;
const ENOENT = 2;
const EACCES = 13;
const ECONNREFUSED = 111;

suite("the agent in targeted mode", { skip: containersSkipReason() }, () => {
  let node: ContainerNode;
  before(async () => (node = await ContainerNode.start()));
  after(() => node[Symbol.asyncDispose]());

  /** An agent on the node for a container, with the rights that clients give it. */
  const startAgent = ({ id }: { readonly id: string }, options: AgentProcessOptions = {}): Promise<AgentProcess> =>
    AgentProcess.start(node, {
      mode: ["targeted", "--container-id", id, "--container-runtime", "containerd"],
      network: "outside",
      ...options,
      env: { UNDERSTUDY_HOST_ROOT: node.hostRoot, ...options.env },
    });

  test("serves the container's environment: the specified one, and over it that of its process", async () => {
    const before = "export UNDERSTUDY_CHANGED=process; unset UNDERSTUDY_UNSET";
    const env = { UNDERSTUDY_CHANGED: "specified", UNDERSTUDY_UNSET: "specified" };
    await using container = await node.startContainer("environment", { env, before });
    await using agent = await startAgent(container, { env: { UNDERSTUDY_AGENT: "its own" } });
    await using session = await agent.connect();
    const all = await session.env();
    assert.equal(all.get("UNDERSTUDY_CHANGED"), "process");
    assert.equal(all.get("UNDERSTUDY_UNSET"), "specified");
    assert.equal(all.get("UNDERSTUDY_AGENT"), undefined);
    assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
  });

  test("serves the container's files, names and network", async () => {
    await using container = await node.startContainer("view");
    await using agent = await startAgent(container);
    await using session = await agent.connect();
    await assert.rejects(access(targetFile.path));
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    const addresses = async (name: string): Promise<string[]> => (await session.lookup(name, "ipv4Only")).map(({ ip }) => ip);
    assert.deepEqual(await addresses(targetHost.name), [targetHost.address]);
    assert.deepEqual(await addresses("anything.understudy.test"), [nameServer.answer]);

    // Its loopback is the container's.
    const echo = await session.connectTcp({ ip: "127.0.0.1", port: targetPorts.echo });
    echo.end("echo");
    assert.equal(await text(echo), "echo");
    const server = createServer().listen(0, outsideIpv4);
    await once(server, "listening");
    const arrived = once(server, "connection") as Promise<[Socket]>;
    const connection = await session.connectTcp({ ip: outsideIpv4, port: (server.address() as AddressInfo).port });
    const [socket] = await arrived;
    assert.equal(socket.remoteAddress, podIpv4);
    socket.end();
    connection.destroy();
    server.close();
  });

  test("connects to the container's unix sockets, by path and by name", async () => {
    const listen = (name: string): string => `require("net").createServer((socket) => socket.end("by unix")).listen("${name}")`;
    const before = ["/tmp/understudy.sock", "\\0understudy"].map((name) => `"$0" -e '${listen(name)}' &`).join("\n");
    await using container = await node.startContainer("unix", { before: `rm -f /tmp/understudy.sock\n${before}` });
    await using agent = await startAgent(container);
    await using session = await agent.connect();
    for (const address of [{ path: "/tmp/understudy.sock" }, { abstract: Buffer.from("understudy") }]) {
      assert.equal(await text(await connectSoon(() => session.connectTcp(address))), "by unix");
    }
  });

  test("serves metrics in its own network, beside its client port", async () => {
    await using container = await node.startContainer("metrics");
    await using agent = await startAgent(container, { options: ["-t", "60", "--metrics", "127.0.0.1:9000"] });
    const { body } = await request({ host: "127.0.0.1", port: 9000, path: "/metrics" });
    assert.match(body, /^mirrord_agent_client_count 0$/m);
    await using session = await agent.connect();
    await assert.rejects(session.connectTcp({ ip: "127.0.0.1", port: 9000 }), { errno: ECONNREFUSED });
  });

  test("steals in the container's network, and has no rule in its own", async () => {
    await using container = await node.startContainer("stolen");
    await using agent = await startAgent(container);
    await using session = await agent.connect();
    assert.equal(targetSaw(await get()).by, "target");
    await session.steal(http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
    assert.match((await node.redirectRules(container)).join("\n"), /understudy/);
    assert.doesNotMatch(await node.exec("nft", "list", "tables"), /understudy/);
    await session[Symbol.asyncDispose]();
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.deepEqual(await node.redirectRules(container), []);
    assert.equal(targetSaw(await get()).by, "target");
  });

  test("makes the thread pool in the container's network", async () => {
    await using container = await node.startContainer("threads");
    await using agent = await startAgent(container);
    await using session = await agent.connect();
    await session.files.readFile(targetFile.path, "utf8");
    const tasks = `/proc/${await agent.pid()}/task`;
    const wanted = await node.exec("readlink", `/proc/${container.pid}/ns/net`);
    const places = new Map<string, Set<string>>();
    for (const thread of await readdir(tasks)) {
      const name = (await readFile(`${tasks}/${thread}/comm`, "utf8")).trim();
      places.set(name, (places.get(name) ?? new Set()).add(await readlink(`${tasks}/${thread}/ns/net`)));
    }
    assert.deepEqual([...(places.get("libuv-worker") ?? [])], [wanted.trim()]);
    assert.deepEqual([...(places.get("MainThread") ?? [])], [wanted.trim()]);
  });

  test("gives the rights to enter and to look into processes up once it has, and its children never have them", async () => {
    await using container = await node.startContainer("rights");
    await using agent = await startAgent(container, { env: { UNDERSTUDY_REDIRECT: "table" } });
    await using session = await agent.connect();
    await session.steal(http, { onRequest: answerAs("client") });
    // Files that it did not open before are still within reach.
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    for (const process of [await agent.pid(), await agent.nftPid()]) {
      const status = await readFile(`/proc/${process}/status`, "utf8");
      for (const set of ["CapPrm", "CapEff", "CapBnd"]) {
        const held = BigInt(`0x${new RegExp(`^${set}:\\s*(\\w+)$`, "m").exec(status)?.[1]}`);
        for (const right of [CAP_SYS_ADMIN, CAP_SYS_PTRACE]) assert.equal((held >> right) & 1n, 0n, set);
        assert.equal((held >> CAP_NET_ADMIN) & 1n, 1n, set);
      }
    }
  });

  for (const way of ["table", "iptables"]) {
    test(`leaves no rule in the container's network when it is killed while it redirects by ${way}`, async () => {
      await using container = await node.startContainer(`killed-${way}`);
      await using agent = await startAgent(container, { env: { UNDERSTUDY_REDIRECT: way } });
      const session = await agent.connect();
      await session.steal(http, { onRequest: answerAs("client") });
      assert.equal((await get()).body, "client /\n");
      // Where the launcher stays, the agent is its child, and the launcher cleans up.
      const [child] = (await readFile(`/proc/${await agent.pid()}/task/${await agent.pid()}/children`, "utf8")).split(" ");
      process.kill(way === "table" ? await agent.pid() : Number(child), "SIGKILL");
      await agent.ended;
      assert.deepEqual(await node.redirectRules(container), []);
      assert.equal(targetSaw(await get()).by, "target");
    });
  }

  test("tells its clients when the container ends, and leaves with 0", async () => {
    await using container = await node.startContainer("ending");
    await using agent = await startAgent(container, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    const sessions = await Promise.all([agent.connect(), agent.connect()]);
    await sessions[0].steal(http, { onRequest: answerAs("client") });
    const killedAt = performance.now();
    await container.kill();
    for (const session of sessions) assert.match((await session.closed).agentText ?? "", /the target's process has ended/);
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.ok(performance.now() - killedAt < NOTICE_MS);
    assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING", "TARGET_ENDED", "STOPPING"]);
  });

  test("leaves when the container ends before a client has come", async () => {
    await using container = await node.startContainer("unused");
    await using agent = await startAgent(container);
    await container.kill();
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
  });

  test("finds the container without its runtime, where it has no socket of it", async () => {
    await using container = await node.startContainer("hidden");
    await using agent = await startAgent(container, { env: { UNDERSTUDY_HOST_ROOT: "/nowhere" } });
    await using session = await agent.connect();
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    await session.steal(http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
  });

  for (const [runtime, start] of [
    ["docker", startDocker],
    ["cri-o", startCrio],
  ] as const) {
    test(`finds the container by ${runtime}, and gives up its process for the one that took its place meanwhile`, async () => {
      await using container = await node.startContainer(`of-${runtime}`);
      // The first answer is out of date already; the process is another's.
      const pids = [1];
      const pid = (): number => pids.pop() ?? container.pid;
      await using _runtime = await start(node, { id: "known", pid, env: ["UNDERSTUDY_SPECIFIED=yes"] });
      await using agent = await startAgent(container, { mode: ["targeted", "-c", "known", "-r", runtime] });
      await using session = await agent.connect();
      assert.equal((await session.env()).get("UNDERSTUDY_SPECIFIED"), "yes");
      assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
      assert.equal(agent.log[0]?.fields["pid"], container.pid);
    });
  }

  test("does not start on a container whose process changes again and again", async () => {
    await using container = await node.startContainer("changing");
    let answers = 0;
    await using _runtime = await startDocker(node, { id: "known", pid: () => ((answers += 1) % 2 === 0 ? container.pid : 1), env: [] });
    await using agent = await startAgent(container, { mode: ["targeted", "-c", "known", "-r", "docker"], awaitsReady: false });
    assert.deepEqual(await agent.ended, { code: 1, signal: null });
    assert.deepEqual(agent.events, ["TARGET_NOT_FOUND"]);
  });

  test("obeys SIGTERM while the runtime does not answer", async () => {
    await using container = await node.startContainer("waiting");
    const silent = createServer().listen(node.path("/run/docker.sock"));
    await once(silent, "listening");
    const asked = once(silent, "connection") as Promise<[Socket]>;
    await using agent = await startAgent(container, { mode: ["targeted", "-c", "known", "-r", "docker"], awaitsReady: false });
    const [connection] = await asked;
    await agent.signal("SIGTERM");
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.deepEqual(agent.events, []);
    connection.destroy();
    silent.close();
  });

  const refusals: readonly [name: string, mode: readonly string[], text: RegExp][] = [
    ["a container that is not there", ["--container-id", "nobody"], /not found.*no process/],
    ["an unknown runtime", ["--container-id", "nobody", "--container-runtime", "podman"], /unknown container runtime/],
  ];
  for (const [name, mode, reason] of refusals) {
    test(`ends with 1 and tells the admin why when it is given ${name}`, async () => {
      await using agent = await startAgent({ id: "" }, { mode: ["targeted", ...mode], awaitsReady: false });
      assert.deepEqual(await agent.ended, { code: 1, signal: null });
      assert.deepEqual(agent.events, ["TARGET_NOT_FOUND"]);
      assert.match(String(agent.log[0]?.fields["error"]), reason);
      assert.doesNotMatch(agent.lines.join("\n"), /agent ready/);
    });
  }

  test("tells the admin at once that it has not the right to redirect, and goes on with the rest", async () => {
    await using container = await node.startContainer("unredirected");
    await using agent = await startAgent(container, { setpriv: ["--bounding-set", "-net_admin"] });
    await using session = await agent.connect();
    assert.deepEqual(agent.events, ["TARGET_FOUND", "RIGHT_MISSING", "SERVING"]);
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    await assert.rejects(session.steal(http, {}), AgentError);
    assert.equal(targetSaw(await get()).by, "target");
  });

  test("without the right to look into the target starts all the same, and refuses what it cannot reach", async () => {
    // It takes that right to look into another user's process, or one with more rights.
    await using container = await node.startContainer("foreign", { capabilities: ["CAP_SYS_PTRACE"] });
    await using agent = await startAgent(container, { setpriv: ["--bounding-set", "-sys_ptrace"] });
    await using session = await agent.connect();
    assert.deepEqual(
      agent.events.filter((code) => code !== "SERVING"),
      ["TARGET_FOUND", "RIGHT_MISSING"],
    );
    const isRefused = (error: unknown): boolean => error instanceof AgentError && error.errno === EACCES;
    await assert.rejects(session.files.open("/etc/hosts"), isRefused);
    await assert.rejects(session.connectTcp({ path: "/srv/nothing" }), isRefused);
  });

  test("without the right to enter the network refuses what needs it, and never uses its own", async () => {
    await using container = await node.startContainer("powerless", { env: { UNDERSTUDY_PLACE: "container" } });
    await using agent = await startAgent(container, { setpriv: ["--bounding-set", "-sys_admin"] });
    await using session = await agent.connect();
    assert.equal((await session.env()).get("UNDERSTUDY_PLACE"), "container");
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    const isRefused = (error: unknown): boolean => error instanceof AgentError && error.errno === EPERM;
    // The agent's own port is in the agent's own network.
    for (const ip of ["127.0.0.1", "::1"]) {
      await assert.rejects(session.connectTcp({ ip, port: AGENT_PORT }), isRefused);
      await assert.rejects(session.connectUdp({ ip, port: AGENT_PORT }), isRefused);
    }
    await assert.rejects(session.connectTcp({ abstract: Buffer.from("understudy") }), isRefused);
    await assert.rejects(session.connectTcp({ path: "/srv/nothing" }), (error) => error instanceof AgentError && error.errno === ENOENT);
    await assert.rejects(session.lookup(targetHost.name), /cannot enter the target's network/);
    assert.deepEqual(agent.events, ["TARGET_FOUND", "RIGHT_MISSING", "SERVING"]);
    await assert.rejects(session.steal(http, {}), /cannot enter the target's network/);
    assert.equal(targetSaw(await get()).by, "target");
  });
});

suite("the agent in ephemeral mode, where the pod's processes share a namespace", { skip: containersSkipReason() }, () => {
  let node: ContainerNode;
  before(async () => (node = await ContainerNode.start()));
  after(() => node[Symbol.asyncDispose]());

  const startAgent = (containerId: string): Promise<AgentProcess> =>
    AgentProcess.start(node, { network: "outside", env: { MIRRORD_AGENT_EPHEMERAL_TARGET_CONTAINER_ID: containerId } });

  test("serves the container whose id it is given, and ends with it", async () => {
    await using container = await node.startContainer("shared", { env: { UNDERSTUDY_PLACE: "container" } });
    await using agent = await startAgent(container.id);
    await using session = await agent.connect();
    assert.equal((await session.env()).get("UNDERSTUDY_PLACE"), "container");
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    assert.deepEqual(await session.lookup(targetHost.name, "ipv4Only").then((found) => found.map(({ ip }) => ip)), [targetHost.address]);
    await container.kill();
    assert.match((await session.closed).agentText ?? "", /the target's process has ended/);
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
  });

  test("takes process 1 for the target where no process belongs to the container, and tells the admin", async () => {
    await using agent = await startAgent("nobody");
    await using session = await agent.connect();
    await assert.rejects(session.files.open(targetFile.path), AgentError);
    assert.deepEqual(agent.events, ["TARGET_GUESSED", "TARGET_FOUND", "SERVING"]);
  });
});

/** What is connected to may take a moment to listen. */
async function connectSoon<T>(connect: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await connect();
    } catch (error) {
      if (tries === 50) throw error;
      await sleep(20);
    }
  }
}
