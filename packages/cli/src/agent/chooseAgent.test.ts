// Which agent a command takes, in a process of its own: by options, by the config file, by what was used last.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { FakeAgent } from "@understudy/client/testing";
import { type Finished, finished, startCommandIn } from "../testing/runCommand.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const noTerminal = spawnSync("script", ["--version"]).error === undefined ? false : "needs script (util-linux)";

suite("choosing the agent", () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "understudy-choose-"));
    file = join(folder, "understudy", "last-agent.json");
  });
  afterEach(() => rm(folder, { recursive: true }));

  const status = (...args: readonly string[]): Promise<Finished> => statusIn(folder, ...args);
  const statusIn = async (cwd: string, ...args: readonly string[]): Promise<Finished> => {
    const child = startCommandIn({ cwd, env: { XDG_STATE_HOME: folder } }, "status", "--json", ...args);
    child.stdin.end();
    return await finished(child);
  };

  test("without any it is 2, with what to give; none is taken off a terminal, but the last one named", async () => {
    const without = await status();
    assert.deepEqual([without.code, without.stdout], [2, ""]);
    assert.match(without.stderr, /^understudy: no agent is named: give --agent HOST:PORT, .* understudy\.yaml\n$/);
    await mkdir(join(folder, "understudy"));
    await writeFile(file, '{"netns":"shop"}');
    const { code, stderr } = await status();
    assert.equal(code, 2);
    assert.match(stderr, /the last one used was --netns shop\)\n$/);
  });

  test("one that answered is remembered, and one that cannot be reached is not", async () => {
    await using agent = await FakeAgent.start();
    const good = status("--agent", `127.0.0.1:${agent.port}`);
    await answerStatus(agent);
    assert.equal((await good).code, 0);
    const remembered = await readFile(file, "utf8");
    assert.equal(remembered, `{"address":"127.0.0.1:${agent.port}"}\n`);
    assert.equal((await status("--agent", "127.0.0.1:1")).code, 1);
    assert.equal(await readFile(file, "utf8"), remembered);
  });

  test("on a terminal the last one is offered, and taken only with a yes", { skip: noTerminal }, async () => {
    await using agent = await FakeAgent.start();
    await mkdir(join(folder, "understudy"));
    await writeFile(file, `{"address":"127.0.0.1:${agent.port}"}`);
    const answered = onTerminal("y\n", folder);
    await answerStatus(agent);
    assert.match(await answered, /Use the last one, --agent 127\.0\.0\.1:\d+\? \[y\/N\] [^]*1\.29\.0[^]*ended with 0/);
    assert.match(await onTerminal("\n", folder), /no agent is named[^]*ended with 2/);
  });

  test("the config file names it, from the working directory upwards, and the command line wins", async () => {
    await using agent = await FakeAgent.start();
    const below = join(folder, "a", "b");
    await mkdir(below, { recursive: true });
    await writeFile(join(folder, "understudy.yaml"), `agent:\n  address: 127.0.0.1:${agent.port}\n`);
    const found = statusIn(below);
    await answerStatus(agent);
    assert.equal((await found).code, 0);
    const other = await statusIn(below, "--agent", "127.0.0.1:1");
    assert.match(other.stderr, /127\.0\.0\.1:1: connect ECONNREFUSED/);
    await writeFile(join(folder, "understudy.yaml"), "agent:\n  adress: localhost:1\n");
    const wrong = await statusIn(below);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /understudy\.yaml:2:3: agent: unknown key "adress", did you mean address\?/);
    const named = await status("--config", join(folder, "none.yaml"));
    assert.equal(named.code, 2);
    assert.match(named.stderr, /none\.yaml cannot be read: ENOENT/);
  });

  test("an agent that refuses, or that is none, is 1 with its reason", async () => {
    await using agent = await FakeAgent.start();
    const refused = status("--agent", `127.0.0.1:${agent.port}`);
    const peer = await agent.accept();
    await peer.expect("switchProtocolVersion");
    peer.send({ kind: "close", value: "too many clients" });
    const { code, stderr } = await refused;
    assert.equal(code, 1);
    assert.match(stderr, /cannot open a session with the agent at .*: the agent closed the session: too many clients/);
    const other = status("--agent", `127.0.0.1:${agent.port}`);
    (await agent.accept()).socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert.equal((await other).code, 1);
  });
});

/** Answers what `status` asks. */
async function answerStatus(agent: FakeAgent): Promise<void> {
  const peer = await agent.accept();
  await peer.handshake();
  await peer.expect("ping");
  peer.send({ kind: "pong" });
  await peer.expect("fileRequest");
  peer.send({ kind: "file", value: { kind: "open", value: { kind: "err", value: { kind: "notFound", value: 1 } } } });
  await peer.expect("getEnvVarsRequest");
  peer.send({ kind: "getEnvVarsResponse", value: { kind: "ok", value: new Map([["A", "b"]]) } });
  await peer.expect("close");
}

/** What `status` prints on a terminal of script(1) where the user types something. */
async function onTerminal(typed: string, folder: string): Promise<string> {
  const command = `${process.execPath} --conditions=source ${main} status; echo "ended with $?"`;
  const env = { ...process.env, XDG_STATE_HOME: folder };
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { cwd: folder, env });
  child.stdout.once("data", () => child.stdin.write(typed));
  return await text(child.stdout);
}
