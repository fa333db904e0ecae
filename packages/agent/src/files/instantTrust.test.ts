import assert from "node:assert/strict";
import { test } from "node:test";
import { InstantTrust } from "./instantTrust.ts";

test("a call that waited for long ends the trust for a while", () => {
  const trust = new InstantTrust();
  assert.equal(
    trust.watch(() => "result"),
    "result",
  );
  assert.equal(trust.isOn, true);
  trust.watch(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15));
  assert.equal(trust.isOn, false);
});

test("one that had the processor, or had to share it, does not, however long it took", () => {
  const slowMs = 0.5;
  const trust = new InstantTrust(slowMs);
  const bytes = Buffer.alloc(32 * 1024 * 1024, 1);
  const began = performance.now();
  trust.watch(() => bytes.fill(2));
  assert.ok(performance.now() - began > slowMs);
  assert.equal(trust.isOn, true);
});
