// The file that holds the agent that was used last.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { lastAgent, rememberAgent } from "./lastAgent.ts";

suite("the last agent", () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "understudy-state-"));
    env = { XDG_STATE_HOME: folder };
  });
  after(() => rm(folder, { recursive: true }));

  test("is remembered for the user alone, and the newest stays", async () => {
    assert.equal(await lastAgent(env), null);
    await rememberAgent({ kind: "pid", pid: 7, binary: null }, env);
    const address = { kind: "address", address: { host: "localhost", port: 8 } } as const;
    await rememberAgent(address, env);
    assert.deepEqual(await lastAgent(env), address);
    const { mode } = await stat(join(folder, "understudy", "last-agent.json"));
    assert.equal(mode & 0o777, 0o600);
    assert.deepEqual(await readdir(join(folder, "understudy")), ["last-agent.json"]);
    assert.equal(await readFile(join(folder, "understudy", "last-agent.json"), "utf8"), '{"address":"localhost:8"}\n');
  });

  test("commands that end at once leave one of theirs, whole", async () => {
    const choices = Array.from({ length: 20 }, (_, pid) => ({ kind: "pid", pid: pid + 1, binary: null }) as const);
    await Promise.all(choices.map((choice) => rememberAgent(choice, env)));
    const last = await lastAgent(env);
    assert.ok(choices.some((choice) => JSON.stringify(choice) === JSON.stringify(last)));
  });

  test("is none where the file holds something else", async () => {
    for (const text of ["", "{", "[]", '{"pid":"1"}', '{"pid":1,"netns":"a"}', '{"address":"x"}', '{"other":1}']) {
      await writeFile(join(folder, "understudy", "last-agent.json"), text);
      assert.equal(await lastAgent(env), null, text);
    }
  });

  test("cannot be kept where the folder cannot be made, which is told", async () => {
    await assert.rejects(rememberAgent({ kind: "netns", name: "a", binary: null }, { XDG_STATE_HOME: "/proc/none" }));
  });
});
