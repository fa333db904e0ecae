// How filters that use too much of the agent's time come to rest.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StepAllowance } from "./stepAllowance.ts";

test("a filter that overruns again and again rests longer each time, and less after a calm time", () => {
  let now = 1000;
  const rests: number[] = [];
  const allowance = new StepAllowance(
    (restMs) => rests.push(restMs),
    () => now,
  );
  const overrun = (): void => {
    while (allowance.mayRun) allowance.spend(4_000_000);
  };
  for (let i = 0; i < 8; i++) {
    overrun();
    assert.equal(allowance.mayRun, false);
    now += rests.at(-1)!;
    assert.equal(allowance.mayRun, true);
  }
  assert.deepEqual(rests, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  now += 400_000;
  overrun();
  assert.equal(rests.at(-1), 1000);
});

test("steady work within the allowance goes on for ever", () => {
  let now = 0;
  const allowance = new StepAllowance(
    () => assert.fail("rested"),
    () => now,
  );
  for (; now < 100_000; now += 10) {
    assert.ok(allowance.mayRun);
    allowance.spend(25_000);
  }
});
