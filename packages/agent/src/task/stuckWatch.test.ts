import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { StuckWatch } from "./stuckWatch.ts";

test("only a peer for whom something waits and that takes nothing of it is stuck", async () => {
  let taken = 0;
  const { promise: stuck, resolve } = Promise.withResolvers<number>();
  const began = performance.now();
  using watch = new StuckWatch({ timeoutMs: 80, progress: () => taken, onStuck: () => resolve(performance.now() - began) });
  watch.isWaiting = true;
  const taking = setInterval(() => (taken += 1), 20);
  await sleep(200); // the subject is time itself
  clearInterval(taking);
  watch.isWaiting = false;
  await sleep(150);
  watch.isWaiting = true;
  const afterMs = await stuck;
  assert.ok(afterMs >= 400 && afterMs < 1000, `${afterMs} ms`);
});
