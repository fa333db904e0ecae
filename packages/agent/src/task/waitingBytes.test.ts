import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBudget } from "./memoryBudget.ts";
import { WaitingBytes } from "./waitingBytes.ts";

/** 100 ordinary bytes, 400 for peers set aside, of a budget that can spare 1000. */
function counted(): { waiting: WaitingBytes; budget: MemoryBudget; reliefs: () => number } & Disposable {
  let reliefs = 0;
  const budget = new MemoryBudget({ totalBytes: 4000, shareMaxBytes: 100 });
  const waiting = new WaitingBytes({ maxBytes: 100, maxAsideBytes: 400, patienceMs: 50, budget, onRelief: () => (reliefs += 1) });
  return { waiting, budget, reliefs: () => reliefs, [Symbol.dispose]: () => waiting[Symbol.dispose]() };
}

test("peers that take what they are sent in time are never set aside", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  using subject = counted();
  const hold = subject.waiting.track();
  for (let round = 0; round < 10; round++) {
    hold(150);
    assert.ok(subject.waiting.isOverfull);
    t.mock.timers.tick(40);
    hold(0);
    assert.ok(!subject.waiting.isOverfull);
  }
  assert.equal(subject.reliefs(), 10);
  assert.equal(subject.waiting.asideBytes, 0);
});

test("who holds up the others is set aside and counted until it has taken everything", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  using subject = counted();
  const [stuck, other] = [subject.waiting.track(), subject.waiting.track()];
  other(20);
  stuck(90);
  assert.ok(subject.waiting.isOverfull);
  t.mock.timers.tick(50);
  assert.deepEqual([subject.waiting.isOverfull, subject.waiting.asideBytes, subject.reliefs()], [false, 90, 1]);
  stuck(300);
  assert.equal(subject.waiting.isOverfull, false);
  stuck(400);
  assert.ok(subject.waiting.isOverfull);
  t.mock.timers.tick(500);
  assert.ok(subject.waiting.isOverfull);
  assert.equal(subject.budget.usedBytes, 400);
  stuck(0);
  assert.deepEqual([subject.waiting.isOverfull, subject.reliefs(), subject.budget.usedBytes], [false, 2, 0]);
  // An ordinary peer again.
  stuck(90);
  assert.ok(subject.waiting.isOverfull);
});

test("nothing is set aside beyond what the agent can spare, and what others give back is noticed", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  using subject = counted();
  const others = subject.budget.open();
  others.hold(1000);
  const stuck = subject.waiting.track();
  stuck(120);
  t.mock.timers.tick(500);
  assert.ok(subject.waiting.isOverfull);
  others.hold(500);
  t.mock.timers.tick(50);
  assert.deepEqual([subject.waiting.isOverfull, subject.reliefs()], [false, 1]);
});
