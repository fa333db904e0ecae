// `understudy exec` beside a target: its variables, its network, its incoming requests, and how the command's end comes back.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podSkipReason, targetSaw, targetVariable } from "../pod/pod.ts";
import { nameServer } from "../pod/ports.ts";
import { RunningCommand, understudy } from "./understudy.ts";

suite("understudy exec", { skip: podSkipReason(), timeout: 120_000 }, () => {
  let pod: Pod;
  let agent: AgentProcess;
  let options: readonly string[];
  before(async () => {
    pod = await Pod.start();
    await promisify(execFile)("ip", ["link", "set", "lo", "up"]);
    agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    options = ["--agent", `${agent.address.host}:${agent.address.port}`];
  });
  after(async () => {
    await agent?.[Symbol.asyncDispose]();
    await pod?.[Symbol.asyncDispose]();
  });

  const print = `echo "$${targetVariable.name} $MINE $HOME \${HTTP_PROXY:-none}"`;
  const env = { MINE: "mine", HOME: "/home/me", HTTP_PROXY: "" };

  test("the command has the target's variables, its own home, and proxies", async () => {
    const { code, stdout, stderr } = await understudy(["exec", ...options, "--", "sh", "-c", print], { env });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^${targetVariable.value} mine /home/me http://127\\.0\\.0\\.1:\\d+\n$`));
  });

  test("without the target's variables and proxies", async () => {
    const { stdout } = await understudy(["exec", ...options, "--no-env", "--no-proxy", "sh", "-c", print], { env });
    assert.equal(stdout, " mine /home/me none\n");
  });

  test("standard input, arguments with dashes and the exit code are the command's", async () => {
    await using command = new RunningCommand(["exec", ...options, "--", "sh", "-c", 'cat; echo "$@"; exit 7', "sh", "--agent", "-x"]);
    command.stdin.end("typed\n");
    const { code, stdout } = await command.end();
    assert.deepEqual([code, stdout], [7, "typed\n--agent -x\n"]);
  });

  test("Node reaches by the proxies what the target reaches, by the target's names", async () => {
    // The name server of the target gives this address for every name.
    await pod.exec("ip", "addr", "add", `${nameServer.answer}/32`, "dev", "lo");
    const ask = `fetch("http://payments.test/from-exec").then(async (answer) => console.log(await answer.text()))`;
    const { code, stdout, stderr } = await understudy(["exec", ...options, "--", process.execPath, "-e", ask]);
    assert.equal(code, 0, stderr);
    const saw = JSON.parse(stdout) as { path: string; address: string };
    assert.deepEqual([saw.path, saw.address], ["/from-exec", `::ffff:${nameServer.answer}`]);
  });

  test("a signal goes to the command, and what ended it comes back", async () => {
    for (const [signal, expected] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
      ["SIGUSR1", 138],
    ] as const) {
      await using command = new RunningCommand(["exec", ...options, "--", "sh", "-c", "echo ready; exec sleep 30"]);
      await command.output(/ready/);
      command.signal(signal);
      assert.equal((await command.end()).code, expected);
    }
    await using command = new RunningCommand([
      "exec",
      ...options,
      "--",
      "sh",
      "-c",
      "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done",
    ]);
    await command.output(/ready/);
    command.signal("SIGTERM");
    const { code, stdout } = await command.end();
    assert.deepEqual([code, stdout], [3, "ready\ncaught\n"]);
  });

  test("a command that there is not, and one that cannot be run", async () => {
    const missing = await understudy(["exec", ...options, "--", "no-such-program"]);
    assert.deepEqual([missing.code, missing.stderr], [127, "understudy: there is no program no-such-program\n"]);
    const folder = await understudy(["exec", ...options, "--", "/tmp"]);
    assert.equal(folder.code, 126);
    assert.match(folder.stderr, /^understudy: cannot run \/tmp: [^\n]*EACCES[^\n]*\n$/);
  });

  test("stolen requests are answered by the command while it runs, and by the target then", async () => {
    const serve = `require("http").createServer((_, answer) => answer.end("from exec")).listen(Number(process.argv[1]), () => console.log("serving"));`;
    await using command = new RunningCommand([
      "exec",
      ...options,
      "--steal",
      "80:39080",
      "--header",
      "^x-user: me$",
      "--",
      process.execPath,
      "-e",
      serve,
      "39080",
    ]);
    await command.output(/serving/);
    assert.equal((await get("/", { headers: { "x-user": "me" } })).body, "from exec");
    assert.equal(targetSaw(await get("/others")).path, "/others");
    command.signal("SIGTERM");
    assert.equal((await command.end()).code, 143);
    assert.equal(targetSaw(await get("/later", { headers: { "x-user": "me" } })).path, "/later");
  });

  test("wrong arguments", async () => {
    for (const args of [[], ["--steal", "x", "--", "true"], ["--header", "^a", "--", "true"]]) {
      const { code, stderr } = await understudy(["exec", ...options, ...args]);
      assert.equal(code, 2, stderr);
    }
  });

  // Last: it takes the agent.
  test("when the agent goes the command goes on, and the user is told once", async () => {
    await using command = new RunningCommand(["exec", ...options, "--", "sh", "-c", "echo ready; read line; echo $line"]);
    await command.output(/ready/);
    await agent.killGroup();
    await command.output(/connecting again\n/);
    command.stdin.end("to its end\n");
    const { code, stdout } = await command.end();
    assert.deepEqual([code, stdout], [0, "ready\nto its end\n"]);
  });
});
