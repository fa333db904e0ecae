import assert from "node:assert/strict";
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { watchCpuLimit } from "./cpuLimit.ts";

for (const [version, path, before, after] of [
  ["2", "/sys/fs/cgroup/cpu.stat", "usage_usec 5\nnr_throttled 1\nthrottled_usec 1500\n", "throttled_usec 502500\n"],
  ["1", "/sys/fs/cgroup/cpu/cpu.stat", "nr_periods 1\nthrottled_time 1500000\n", "throttled_time 502500000\n"],
] as const) {
  test(`what the CPU limit took is told from one look to the next, control groups of version ${version}`, async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "understudy-"));
    const file = `${folder.path}${path}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, before);
    const limit = watchCpuLimit(folder.path);
    assert.equal(await limit.look(), 0);
    writeFileSync(file, after);
    assert.equal(await limit.look(), 501);
    assert.equal(await limit.look(), 0);
  });
}

test("where the kernel says nothing of a limit there is none", async () => {
  const limit = watchCpuLimit("/nowhere");
  assert.deepEqual([await limit.look(), await limit.look()], [0, 0]);
});
