import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { listsNoSwap, SwapSpace } from "./swapSpace.ts";

const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
const area = "/dev/vda2                               partition\t2097148\t\t0\t\t-2\n";

test("swap is absent only where a list of areas lists none", () => {
  assert.equal(listsNoSwap(heading), true);
  assert.equal(listsNoSwap(heading.trimEnd()), true);
  assert.equal(listsNoSwap(heading + area), false);
  assert.equal(listsNoSwap(heading + area + area), false);
  assert.equal(listsNoSwap(area), false);
  assert.equal(listsNoSwap(""), false);
});

test("swap counts as present until it is known to be absent, and where nothing can be known", async () => {
  const list = path.join(tmpdir(), `understudy-swaps-${process.pid}`);
  writeFileSync(list, heading);
  try {
    const swap = new SwapSpace(list);
    assert.equal(swap.isAbsent, false);
    await swap.look();
    assert.equal(swap.isAbsent, true);
    writeFileSync(list, heading + area);
    await swap.look();
    assert.equal(swap.isAbsent, false);
  } finally {
    rmSync(list);
  }
  const unknown = new SwapSpace(list);
  await unknown.look();
  assert.equal(unknown.isAbsent, false);
});
