import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFolder } from "./buildLock.ts";

test("a second build waits for the first", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "understudy-lock-"));
  const order: string[] = [];
  const first = await lockFolder(folder.path);
  const second = lockFolder(folder.path).then((lock) => (order.push("second"), lock));
  // Far longer than it takes to get a free lock; the subject is that it is not had.
  await sleep(200);
  order.push("first");
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  assert.deepEqual(order, ["first", "second"]);
});
