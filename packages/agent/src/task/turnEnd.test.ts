import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurnEnd } from "./turnEnd.ts";

test("a job that throws keeps no other from running, and is told of", async () => {
  const errors: unknown[] = [];
  const ran: string[] = [];
  const turnEnd = createTurnEnd(
    (error) => errors.push(error),
    () => 0,
  );
  turnEnd(() => ran.push("first"));
  turnEnd(() => {
    throw new Error("broken");
  });
  turnEnd(() => ran.push("last"));
  assert.deepEqual(ran, []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ran, ["first", "last"]);
  assert.match(String(errors[0]), /broken/);
});

test("jobs given in a row run together in the next turn, the first after a rest at once", async () => {
  const runs: number[] = [];
  let given = 0;
  let nowMs = 1000;
  const turnEnd = createTurnEnd(
    (error) => assert.fail(String(error)),
    () => nowMs,
  );
  const give = (): void => {
    given += 1;
    turnEnd(() => runs.push(given));
  };
  give();
  await new Promise<void>((resolve) => process.nextTick(resolve));
  assert.deepEqual(runs, [1]);
  // The loop is busy now: these are gathered, whatever promises and ticks are in between.
  for (let i = 0; i < 3; i++) {
    give();
    await Promise.resolve();
  }
  assert.deepEqual(runs, [1]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(runs, [1, 4, 4, 4]);
  nowMs += 1;
  give();
  await new Promise<void>((resolve) => process.nextTick(resolve));
  assert.deepEqual(runs, [1, 4, 4, 4, 5]);
});

test("jobs that give further jobs, however long they take, leave sockets and timers their turns", async () => {
  const turnEnd = createTurnEnd((error) => assert.fail(String(error)));
  let isOver = false;
  let rounds = 0;
  const job = (): void => {
    rounds += 1;
    const until = performance.now() + 0.2;
    while (performance.now() < until);
    if (!isOver) turnEnd(job);
  };
  turnEnd(job);
  const roundsBefore: number[] = [];
  while (roundsBefore.length < 20) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    roundsBefore.push(rounds);
  }
  isOver = true;
  assert.ok(roundsBefore.at(-1)! > roundsBefore[0]!);
});
