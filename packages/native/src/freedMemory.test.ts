import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Prints how much less is resident afterwards, in MiB, of 40 MiB that were freed but for a piece here and there. */
const program = `
  import { memoryUsage } from "node:process";
  import { giveBackFreedMemory } from "${fileURLToPath(new URL("freedMemory.ts", import.meta.url))}";
  let pieces = Array.from({ length: 2560 }, () => Buffer.allocUnsafeSlow(16 * 1024).fill(1));
  pieces = pieces.filter((_, index) => index % 64 === 63);
  gc();
  await new Promise((resolve) => setTimeout(resolve, 50));
  gc();
  const before = memoryUsage.rss();
  giveBackFreedMemory();
  console.log((before - memoryUsage.rss()) / 2 ** 20, pieces.length);
`;

test("what was freed between pieces that are used goes back to the system", () => {
  const { stdout, stderr } = spawnSync(process.execPath, ["--conditions=source", "--expose-gc", "--input-type=module", "-e", program], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], MALLOC_ARENA_MAX: "1" },
  });
  assert.equal(stderr, "");
  assert.ok(Number.parseFloat(stdout) > 20, stdout);
});
