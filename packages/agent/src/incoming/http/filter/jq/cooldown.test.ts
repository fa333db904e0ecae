// Time is passed in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ComputeShare, Cooldown, OverrunBudget } from "./cooldown.ts";

test("rests grow with each overrun, until it is for good", () => {
  const cooldown = new Cooldown();
  let now = 5_000;
  assert.equal(cooldown.isResting(now), false);
  for (const rest of [1_000, 4_000, 16_000, 64_000]) {
    assert.equal(cooldown.overrun(now), rest);
    assert.equal(cooldown.isResting(now + rest - 1), true);
    now += rest;
    assert.equal(cooldown.isResting(now), false);
  }
  assert.equal(cooldown.overrun(now), Infinity);
  assert.equal(cooldown.isResting(now + 1e12), true);
});

test("overruns long ago are forgotten", () => {
  const cooldown = new Cooldown();
  assert.equal(cooldown.overrun(0), 1_000);
  assert.equal(cooldown.overrun(1_000), 4_000);
  assert.equal(cooldown.overrun(5_001 + 600_000), 1_000);
});

test("deadlines get short when overruns have burnt the common budget, and long again with time", () => {
  const budget = new OverrunBudget();
  assert.equal(budget.deadlineMs(1_000, 0), 1_000);
  for (let i = 0; i < 5; i++) budget.burn(900, 0);
  assert.equal(budget.deadlineMs(1_000, 0), 500);
  budget.burn(900, 0);
  assert.equal(budget.deadlineMs(1_000, 0), 50);
  assert.equal(budget.deadlineMs(20, 0), 20);
  assert.equal(budget.deadlineMs(1_000, 10_000), 500);
  assert.equal(budget.deadlineMs(1_000, 1e9), 1_000);
});

test("a share is a burst, then a part of the time that passes", () => {
  const share = new ComputeShare(() => 0.25, 100);
  share.spend(999);
  assert.equal(share.isUsedUp(100), false);
  share.spend(101);
  assert.equal(share.isUsedUp(100), true);
  assert.equal(share.isUsedUp(400), true);
  assert.equal(share.isUsedUp(600), false);
  share.spend(500);
  assert.equal(share.isUsedUp(600), true);
  share.spend(-500);
  assert.equal(share.isUsedUp(600), false);
});
