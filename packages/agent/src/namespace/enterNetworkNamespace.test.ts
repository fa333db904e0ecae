import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readlink } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "node:test";
import { enterNetworkNamespace } from "./enterNetworkNamespace.ts";
import { HeldProcess } from "./heldProcess.ts";

interface Outcome {
  before: string;
  after: string;
  error: string | null;
}

/** Enters the namespace of `pid` in a process of its own, since there is no way back. */
async function enterElsewhere(pid: number): Promise<Outcome> {
  const fixture = fileURLToPath(new URL("enterFixture.ts", import.meta.url));
  const args = ["--conditions=source", fixture, String(pid)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Outcome;
}

const skip = process.getuid?.() !== 0 && process.env["CI"] === undefined ? "needs root" : false;

test("the namespace of the target's process is entered", { skip }, async () => {
  const target = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 60"]);
  try {
    await once(target.stdout, "data");
    assert.ok(target.pid !== undefined);
    const outcome = await enterElsewhere(target.pid);
    assert.equal(outcome.error, null);
    assert.notEqual(outcome.before, outcome.after);
    assert.equal(outcome.after, await readlink(`/proc/${target.pid}/ns/net`));
  } finally {
    target.kill("SIGKILL");
  }
});

test("a target that ended while it was held is not entered", { skip }, async () => {
  const before = await readlink("/proc/self/ns/net");
  const target = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 60"]);
  await once(target.stdout, "data");
  assert.ok(target.pid !== undefined);
  using held = new HeldProcess(target.pid);
  target.kill("SIGKILL");
  await once(target, "exit");
  assert.throws(() => enterNetworkNamespace(held), { name: "NamespaceError" });
  assert.equal(await readlink("/proc/self/ns/net"), before);
});
