// The process as a whole: what it does when a file call never comes back.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DeadFileSystems, withoutFuse } from "./files/deadFileSystemFixture.ts";
import { readOnly, TemporaryTarget } from "./files/temporaryTargetFixture.ts";
import { certify, connectAsOperator } from "./session/operatorFixture.ts";
import { Client } from "./session/sessionFixture.ts";

const endMaxMs = 5000;
const program = fileURLToPath(new URL("main.ts", import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** An agent of this machine's own files, in the mount namespace of a process. */
class LoneAgent implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  readonly port: number;

  private constructor(namespacePid: number, port: number, env: Readonly<Record<string, string>>) {
    this.port = port;
    const agent = [
      process.execPath,
      "--conditions=source",
      "--disable-warning=ExperimentalWarning",
      program,
      "-l",
      String(port),
      "-t",
      "60",
    ];
    this.child = spawn("nsenter", ["--target", String(namespacePid), "--mount", "--", ...agent, "targetless"], {
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.exited = once(this.child, "exit");
  }

  static async start(namespacePid: number, env: Readonly<Record<string, string>> = {}): Promise<LoneAgent> {
    const agent = new LoneAgent(namespacePid, await freePort(), env);
    assert.ok(agent.child.stdout !== null);
    for await (const line of createInterface({ input: agent.child.stdout })) if (line.startsWith("agent ready")) break;
    return agent;
  }

  /** A client of an agent that can open only so many descriptors more. */
  async clientWithFewDescriptors(more: number): Promise<Client> {
    const client = await this.client();
    await ping(client);
    const limit = fs.readdirSync(`/proc/${this.child.pid}/fd`).length + more;
    execFileSync("prlimit", [`--pid=${this.child.pid}`, `--nofile=${limit}:${limit}`]);
    return client;
  }

  async client(): Promise<Client> {
    const socket = connect(this.port, "127.0.0.1");
    await once(socket, "connect");
    return new Client(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

async function ping(client: Client): Promise<void> {
  client.send({ kind: "ping" });
  await client.next("pong");
}

/** As proc(5) has it; `Z` for a thread that has ended since it was listed. */
function threadState(task: string): string {
  try {
    return /^State:\t(.)/m.exec(fs.readFileSync(`${task}/status`, "utf8"))?.[1] ?? "";
  } catch {
    return "Z";
  }
}

suite("with file calls stuck in a dead file system", { skip: withoutFuse, timeout: 60_000 }, () => {
  for (const cause of ["SIGTERM", "the last client's leaving"]) {
    test(`the agent ends within 5 s of ${cause}`, async () => {
      using base = new TemporaryTarget();
      fs.mkdirSync(base.at("dead"));
      await using dead = await DeadFileSystems.mount(base.at("dead"));
      await using agent = await LoneAgent.start(dead.pid);
      const clients = await Promise.all(Array.from({ length: 4 }, () => agent.client()));
      for (const client of clients) {
        client.send({ kind: "fileRequest", value: { kind: "open", value: { path: `${base.at("dead")}/file`, openOptions: readOnly } } });
        await ping(client);
      }
      // Long enough for the calls to be in the pool.
      await sleep(200);
      const began = performance.now();
      if (cause === "SIGTERM") agent.child.kill("SIGTERM");
      else for (const client of clients) client.socket.destroy();
      const [code] = await agent.exited;
      const tookMs = performance.now() - began;
      assert.ok(tookMs < endMaxMs, `${tookMs} ms`);
      assert.equal(code, 0);
      for (const client of clients) client[Symbol.dispose]();
    });
  }

  test("nothing is left to be used of an agent whose thread the kernel cannot interrupt, and it vanishes with the call", async () => {
    using base = new TemporaryTarget();
    fs.mkdirSync(base.at("dead"));
    await using dead = await DeadFileSystems.mount(base.at("dead"));
    await using agent = await LoneAgent.start(dead.pid);
    // Before the agent is waited for, also when an assertion fails.
    using _released = { [Symbol.dispose]: () => dead.release() };
    using client = await agent.client();
    client.send({ kind: "fileRequest", value: { kind: "open", value: { path: `${base.at("dead")}/file`, openOptions: readOnly } } });
    await ping(client);
    await sleep(200);
    dead.takeRequests();
    const began = performance.now();
    agent.child.kill("SIGTERM");
    await client.closed;
    // The process that the kernel keeps has no other thread than the one that waits.
    const tasks = `/proc/${agent.child.pid}/task`;
    const states = (): string[] => fs.readdirSync(tasks).map((id) => threadState(`${tasks}/${id}`));
    while (states().some((state) => state !== "Z" && state !== "D")) await sleep(20);
    assert.ok(performance.now() - began < endMaxMs);
    await assert.rejects(agent.client(), { code: "ECONNREFUSED" });
    dead.release();
    assert.deepEqual(await agent.exited, [0, null]);
  });
});

function withoutTools(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  return missing.length > 0 && process.env["CI"] === undefined ? `needs ${missing.join(" and ")}` : false;
}

test("an agent with the operator's certificate tells the operator why it stops", { skip: withoutTools("openssl", "nsenter") }, async () => {
  const certificate = await certify("DNS:operator");
  await using agent = await LoneAgent.start(process.pid, { AGENT_OPERATOR_CERT_ENV: certificate.cert });
  using operator = await connectAsOperator(agent.port, certificate);
  const stranger = connect(agent.port, "127.0.0.1").resume();
  await ping(operator.client);
  agent.child.kill("SIGTERM");
  assert.equal((await operator.client.next("close")).value, "the agent is stopping: received SIGTERM");
  assert.deepEqual(await agent.exited, [0, null]);
  stranger.destroy();
});

test(
  "an agent with the operator's certificate stays when strangers leave, and ends when the operator does",
  { skip: withoutTools("openssl", "nsenter") },
  async () => {
    const certificate = await certify("IP:127.0.0.1");
    await using agent = await LoneAgent.start(process.pid, { AGENT_OPERATOR_CERT_ENV: certificate.cert });
    const stranger = connect(agent.port, "127.0.0.1").resume();
    stranger.end("GET / HTTP/1.1\r\n\r\n");
    await once(stranger, "close");
    const operator = await connectAsOperator(agent.port, certificate);
    await ping(operator.client);
    operator.tls.end();
    assert.deepEqual(await agent.exited, [0, null]);
  },
);

test(
  "without free descriptors clients wait and sessions go on, and then the clients are served",
  { skip: withoutTools("prlimit", "nsenter") },
  async () => {
    await using agent = await LoneAgent.start(process.pid);
    const steady = await agent.clientWithFewDescriptors(4);
    const clients = await Promise.all(Array.from({ length: 12 }, () => agent.client()));
    const served: Client[] = [];
    for (const client of clients) void ping(client).then(() => served.push(client));
    while (served.length < 2) await ping(steady);
    await sleep(300); // Several tries to accept.
    await ping(steady);
    assert.ok(served.length < 6, `${served.length} served`);
    // Each that leaves makes room for another.
    while (served.length < clients.length) {
      served.find(({ socket }) => !socket.destroyed)?.socket.destroy();
      await ping(steady);
      await sleep(20);
    }
    for (const client of [steady, ...clients]) client[Symbol.dispose]();
    assert.deepEqual(await agent.exited, [0, null]);
  },
);

test(
  "without free descriptors for long, clients who wait are told so one by one, and sessions go on",
  { skip: withoutTools("prlimit", "nsenter") },
  async () => {
    await using agent = await LoneAgent.start(process.pid);
    const steady = await agent.clientWithFewDescriptors(1);
    const clients = await Promise.all(Array.from({ length: 4 }, () => agent.client()));
    for (const client of clients) client.send({ kind: "switchProtocolVersion", value: "1.29.0" });
    // As many as there was room for are served, before or after; two at least are not.
    const reasons: string[] = [];
    const told = Promise.withResolvers<void>();
    for (const client of clients) {
      client.next("close").then(
        ({ value }) => {
          if (reasons.push(value) === 2) told.resolve();
        },
        () => undefined,
      );
    }
    await told.promise;
    assert.deepEqual(new Set(reasons), new Set(["the agent has no descriptor left for another client"]));
    await ping(steady);
    for (const client of [steady, ...clients]) client[Symbol.dispose]();
    assert.deepEqual(await agent.exited, [0, null]);
  },
);

suite("the thread pool", { skip: withoutFuse }, () => {
  for (const [given, expected] of [
    [undefined, 16],
    ["6", 6],
  ] as const) {
    test(`has ${expected} threads when UV_THREADPOOL_SIZE is ${given ?? "not set"}`, async () => {
      await using agent = await LoneAgent.start(process.pid, given === undefined ? {} : { UV_THREADPOOL_SIZE: given });
      using client = await agent.client();
      await ping(client);
      const names = fs
        .readdirSync(`/proc/${agent.child.pid}/task`)
        .map((id) => fs.readFileSync(`/proc/${agent.child.pid}/task/${id}/comm`, "utf8"));
      assert.equal(names.filter((name) => name.startsWith("libuv-worker")).length, expected, names.join(""));
    });
  }
});
