import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { HeldProcess } from "./heldProcess.ts";

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

test("a held process is read while it lives, and nothing else in its place afterwards", async () => {
  const child = spawn("sleep", ["60"], { env: { UNDERSTUDY_HELD: "yes" } });
  await once(child, "spawn");
  using held = new HeldProcess(child.pid ?? 0);
  assert.equal(held.isThere, true);
  assert.match(readFileSync(`${held.path}/environ`, "utf8"), /UNDERSTUDY_HELD=yes/);
  await end(child);
  assert.equal(held.isThere, false);
  for (const name of ["environ", "root", "ns/net", "cgroup"]) {
    assert.throws(() => openSync(`${held.path}/${name}`, "r"), { code: /^(ESRCH|ENOENT)$/ }, name);
  }
});

test("a process that is not there cannot be held", () => {
  assert.throws(() => new HeldProcess(2 ** 22 + 1), { code: "ENOENT" });
});
