// Agents that the command line starts on this machine: beside a process, and beside a namespace of ip-netns(8). They serve the target, and nothing of them is
// left, however the command ends.

import assert from "node:assert/strict";
import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connectAgent, textResponse } from "@understudy/client";
import { Pod, podSkipReason, targetFile, targetHost, targetVariable } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** Far more than the agent takes to leave. */
const LEAVE_MAX_MS = 8_000;

type Command = ChildProcessByStdio<null, Readable, Readable>;

interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function start(...args: readonly string[]): Command {
  return startIn({}, ...args);
}

function startIn({ cwd, env }: Surroundings, ...args: readonly string[]): Command {
  // Where no agent can be remembered.
  const all = { ...process.env, XDG_STATE_HOME: "/proc/none", ...env };
  return spawn(process.execPath, ["--conditions=source", main, ...args], { stdio: ["ignore", "pipe", "pipe"], cwd, env: all });
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "understudy-core-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function finished(command: Command): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const end = once(command, "exit") as Promise<[number | null]>;
  const [[code], stdout, stderr] = await Promise.all([end, text(command.stdout), text(command.stderr)]);
  return { code, stdout, stderr };
}

interface Listening {
  readonly address: string;
  readonly pid: number;
}

/** `understudy local`, which serves on return. */
class LocalCommand implements AsyncDisposable {
  readonly pid: number;
  readonly address: { readonly host: string; readonly port: number };
  readonly #command: Command;
  readonly #ended: Promise<unknown[]>;

  private constructor(command: Command, { address, pid }: Listening) {
    const [host = "", port] = address.split(":");
    this.#command = command;
    this.#ended = once(command, "exit");
    this.pid = pid;
    this.address = { host, port: Number(port) };
  }

  static async start(...args: readonly string[]): Promise<LocalCommand> {
    const command = start("local", "--json", ...args);
    let told = "";
    command.stderr.setEncoding("utf8").on("data", (part: string) => (told += part));
    for await (const line of createInterface({ input: command.stdout })) return new LocalCommand(command, JSON.parse(line) as Listening);
    throw new Error(`no agent: ${told}`);
  }

  /** Resolves with the exit code; null when a signal killed it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#command.kill(signal);
    return (await this.#ended)[0] as number | null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#command.exitCode === null && this.#command.signalCode === null) await this.end("SIGKILL");
    await gone(this.pid);
  }
}

/** Waits until a process and all of its group have ended. */
async function gone(group: number): Promise<void> {
  const startedAt = performance.now();
  while ((await groupMembers(group)).length > 0) {
    assert.ok(performance.now() - startedAt < LEAVE_MAX_MS, `processes of group ${group} are still there`);
    await sleep(20);
  }
}

async function groupMembers(group: number): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
  return stats.filter((stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2] === String(group));
}

suite("an agent beside a process", { skip: podSkipReason() }, () => {
  let pod: Pod;
  before(async () => {
    pod = await Pod.start();
    // Of the namespace that the test is in now.
    await run("ip", ["link", "set", "lo", "up"]);
  });
  after(() => pod[Symbol.asyncDispose]());

  test("serves that process, and takes its traffic; Ctrl-C ends it with its rules", async () => {
    await using local = await LocalCommand.start("--pid", String(pod.pid));
    {
      await using session = await connectAgent(local.address);
      assert.equal((await session.env()).get(targetVariable.name), targetVariable.value);
      assert.equal(String(await session.files.readFile(targetFile.path)), targetFile.text);
      assert.deepEqual(
        (await session.lookup(targetHost.name)).map(({ ip }) => ip),
        [targetHost.address],
      );
      await session.steal(targetPorts.http, { onRequest: () => textResponse(200, "client") });
      assert.equal((await pod.requestFromTarget({ host: "127.0.0.1", port: targetPorts.http, path: "/" })).body, "client\n");
      assert.notDeepEqual(await pod.redirectRules(), []);
      assert.equal(await local.end("SIGINT"), 0);
    }
    await gone(local.pid);
    assert.deepEqual(await pod.redirectRules(), []);
    assert.match((await pod.requestFromTarget({ host: "127.0.0.1", port: targetPorts.http, path: "/" })).body, /"by":"target"/);
  });

  test("leaves nothing either when the command is killed", async () => {
    await using local = await LocalCommand.start("--pid", String(pod.pid));
    await using session = await connectAgent(local.address);
    await session.steal(targetPorts.http, { onRequest: () => textResponse(200, "client") });
    assert.equal(await local.end("SIGKILL"), null);
    assert.match((await session.closed).message, /the agent is stopping/);
    await gone(local.pid);
    assert.deepEqual(await pod.redirectRules(), []);
  });

  test("is started and ended by the commands that need one", async () => {
    const { code, stdout, stderr } = await finished(start("status", "--json", "--pid", String(pod.pid)));
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal((JSON.parse(stdout) as { protocol: string }).protocol, "1.29.0");
    const doctor = await finished(start("doctor", "--json", "--pid", String(pod.pid), "--redirect", "80", "--connect", "127.0.0.1:7"));
    assert.equal(doctor.code, 0, doctor.stdout);
    const names = doctor.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { name: string }).name);
    for (const name of ["files", "outgoing", "connect to 127.0.0.1:7", "redirect port 80"]) assert.ok(names.includes(name), name);
    assert.deepEqual(await pod.redirectRules(), []);
  });

  test("doctor says which of them does not work, with 1", async () => {
    const { code, stdout } = await finished(start("doctor", "--color", "never", "--pid", String(pod.pid), "--connect", "127.0.0.1:1"));
    assert.equal(code, 1);
    assert.match(stdout, /^no {3}connect to 127\.0\.0\.1:1 .*refused.*; check that the target itself may connect there$/im);
    assert.match(stdout, /^ok {3}files /m);
  });

  test("is found by the name of its container, which Docker is asked for", async () => {
    await using folder = await temporaryFolder();
    const docker = createServer((request, response) => {
      const isAsked = request.url === "/containers/web/json";
      response.writeHead(isAsked ? 200 : 404).end(JSON.stringify(isAsked ? { State: { Pid: pod.pid } } : {}));
    });
    docker.listen(join(folder.path, "docker.sock"));
    await once(docker, "listening");
    const env = { DOCKER_HOST: `unix://${join(folder.path, "docker.sock")}` };
    assert.equal((await finished(startIn({ env }, "status", "--docker", "web"))).code, 0);
    const { code, stderr } = await finished(startIn({ env }, "status", "--docker", "db"));
    assert.equal(code, 1);
    assert.match(stderr, /Docker has no container db/);
    docker.close();
  });

  test("and what to take from it stand in the config file; it is there as long as the command", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "understudy.yaml"), `agent: { pid: ${pod.pid} }\nsteal: { ports: [80:1], path: ^/mine }\n`);
    const command = startIn({ cwd: folder.path }, "steal");
    const end = finished(command);
    await once(command.stdout, "data");
    const path = (name: string) => pod.requestFromTarget({ host: "127.0.0.1", port: targetPorts.http, path: name });
    // Nobody listens at port 1.
    assert.equal((await path("/mine")).status, 502);
    assert.match((await path("/other")).body, /"by":"target"/);
    command.kill("SIGINT");
    const { code, stdout } = await end;
    assert.equal(code, 0);
    assert.match(stdout, /\/mine/);
    assert.deepEqual(await pod.redirectRules(), []);
  });

  test("tells the agent's log with --verbose", async () => {
    const { stderr } = await finished(start("status", "--verbose", "--pid", String(pod.pid)));
    assert.match(stderr, /understudy: agent: .*TARGET_FOUND/);
  });
});

suite("an agent beside a namespace of ip netns", { skip: podSkipReason() }, () => {
  const name = `understudy-${process.pid}`;
  const folder = `/etc/netns/${name}`;
  before(async () => {
    await run("ip", ["netns", "add", name]);
    await run("ip", ["-n", name, "link", "set", "lo", "up"]);
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/hosts`, "127.0.0.1 localhost\n10.0.0.9 database.test\n");
  });
  after(async () => {
    await run("ip", ["netns", "delete", name]);
    await rm(folder, { recursive: true });
    // Unless others are there.
    await rmdir("/etc/netns").catch(() => undefined);
  });

  test("serves its network and its files, takes its traffic, and ends with the command", async () => {
    const server: ChildProcess = spawn("ip", ["netns", "exec", name, process.execPath, "-e", echoServer], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    assert.ok(server.stdout !== null);
    await once(server.stdout, "data");
    try {
      await using local = await LocalCommand.start("--netns", name);
      await using session = await connectAgent(local.address);
      assert.match(String(await session.files.readFile("/etc/hosts")), /database\.test/);
      assert.deepEqual(
        (await session.lookup("database.test")).map(({ ip }) => ip),
        ["10.0.0.9"],
      );
      const echo = await session.connectTcp({ ip: "127.0.0.1", port: 7007 });
      echo.end("hello");
      assert.equal(await text(echo), "hello");
      await session.steal(80, { onRequest: () => textResponse(200, "client") });
      const get = `fetch("http://127.0.0.1/").then((response) => response.text()).then((text) => process.stdout.write(text))`;
      const { stdout } = await run("ip", ["netns", "exec", name, process.execPath, "-e", get]);
      assert.equal(stdout, "client\n");
      assert.equal(await local.end("SIGTERM"), 0);
      await gone(local.pid);
      assert.equal((await run("ip", ["netns", "exec", name, "nft", "list", "tables"])).stdout, "");
      // The process that held the namespace has gone as well.
      assert.equal((await run("ip", ["netns", "pids", name])).stdout, `${server.pid}\n`);
    } finally {
      const exited = once(server, "exit");
      server.kill();
      await exited;
    }
  });

  test("leaves nobody in the namespace when the command is killed", async () => {
    await using local = await LocalCommand.start("--netns", name);
    assert.notEqual((await run("ip", ["netns", "pids", name])).stdout, "");
    await local.end("SIGKILL");
    await gone(local.pid);
    const startedAt = performance.now();
    while ((await run("ip", ["netns", "pids", name])).stdout !== "") {
      assert.ok(performance.now() - startedAt < LEAVE_MAX_MS, "somebody is still in the namespace");
      await sleep(20);
    }
  });
});

/** Echoes at port 7007 until its standard input ends. */
const echoServer = `
  require("node:net").createServer((socket) => socket.pipe(socket)).listen(7007, "127.0.0.1", () => console.log("ready"));
  process.stdin.resume().on("end", () => process.exit());
`;

suite("an agent that cannot be started", () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ["beside nothing", ["local"], 2, /nothing is named .*--netns NAME, --pid PID or --docker NAME/],
    ["beside two things", ["local", "--pid", "1", "--netns", "a"], 2, /one of --netns and --pid/],
    ["beside something without a plain name", ["local", "--netns", "../x"], 2, /plain name/],
    ["at a port that is none", ["local", "--pid", "1", "--port", "0"], 2, /from 1 to 65535/],
  ];
  for (const [what, args, code, reason] of cases) {
    test(`${what} is ${code}`, async () => {
      const { code: ended, stdout, stderr } = await finished(start(...args));
      assert.deepEqual([ended, stdout], [code, ""]);
      assert.match(stderr, reason);
    });
  }

  test("where there is no such target, is 1 with a sentence", { skip: podSkipReason() }, async () => {
    const absent: readonly (readonly [readonly string[], RegExp])[] = [
      [["--pid", "4194303"], /there is no process 4194303 on this machine/],
      [["--netns", "no-such-namespace"], /there is no network namespace no-such-namespace; ip netns knows/],
      [["--pid", "1", "--agent-binary", "/none/agent"], /program \/none\/agent cannot be run/],
      [["--pid", "1", "--agent-binary", "/bin/false"], /the agent beside process 1 did not start: it ended with exit code 1/],
    ];
    for (const [args, reason] of absent) {
      const { code, stderr } = await finished(start("status", ...args));
      assert.equal(code, 1);
      assert.match(stderr, reason);
    }
  });

  test("when its target ends, says so with 1", { skip: podSkipReason() }, async () => {
    const target = spawn("sleep", ["60"]);
    const command = start("local", "--pid", String(target.pid));
    const end = finished(command);
    await Promise.race([once(command.stdout, "data"), end]);
    target.kill();
    const { code, stderr } = await end;
    assert.equal(code, 1);
    assert.match(stderr, /the agent beside process \d+ ended by itself .*its target may have ended/);
  });
});
