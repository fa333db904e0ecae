import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswersInOrder, WorkInOrder } from "./orderedAnswers.ts";

test("answers keep the order of their requests although the work overlaps", async () => {
  const sent: string[] = [];
  const slow = Promise.withResolvers<string>();
  const all = Promise.withResolvers<void>();
  const answers = new AnswersInOrder<string>((answer) => {
    sent.push(answer);
    if (answer === "quick") all.resolve();
  }, assert.ifError);
  answers.add(slow.promise);
  answers.add(Promise.resolve("quick"));
  assert.equal(answers.pending, 2);
  slow.resolve("slow");
  await all.promise;
  assert.deepEqual(sent, ["slow", "quick"]);
  assert.equal(answers.pending, 0);
});

test("an answer that cannot be sent is told of, and the next one is sent", async () => {
  const errors: unknown[] = [];
  const all = Promise.withResolvers<void>();
  const answers = new AnswersInOrder<string>(
    (answer) => {
      if (answer === "bad") throw new Error("not sendable");
      all.resolve();
    },
    (error) => errors.push(error),
  );
  answers.add(Promise.resolve("bad"));
  answers.add(Promise.resolve("good"));
  await all.promise;
  assert.match(String(errors[0]), /not sendable/);
});

test("jobs run one after another, also after one that failed", async () => {
  const ran: number[] = [];
  const errors: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const work = new WorkInOrder((error) => errors.push(error));
  work.add(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    ran.push(1);
  });
  work.add(() => Promise.reject(new Error("broken")));
  work.add(() => Promise.resolve(void ran.push(3)).then(() => done.resolve()));
  assert.equal(work.pending, 3);
  await done.promise;
  assert.deepEqual(ran, [1, 3]);
  assert.equal(errors.length, 1);
});

test("jobs that are done at once run in the call, those that wait for another in its order, and many of them leave others a turn", async () => {
  const ran: string[] = [];
  const work = new WorkInOrder(assert.ifError);
  work.add(() => void ran.push("at once"));
  assert.deepEqual(ran, ["at once"]);
  assert.equal(work.pending, 0);
  const slow = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  work.add(() => slow.promise.then(() => void ran.push("slow")));
  for (let i = 1; i <= 100; i++) work.add(() => void ran.push(String(i)));
  work.add(() => all.resolve());
  assert.equal(work.pending, 102);
  setImmediate(() => ran.push("somebody else"));
  slow.resolve();
  await all.promise;
  assert.deepEqual(ran.slice(0, 4), ["at once", "slow", "1", "2"]);
  assert.equal(ran.at(-1), "100");
  assert.ok(ran.indexOf("somebody else") < ran.indexOf("100"));
  assert.equal(work.pending, 0);
});

test("a job that throws at once is told of, and the next ones run", () => {
  const errors: unknown[] = [];
  const work = new WorkInOrder((error) => errors.push(error));
  work.add(() => {
    throw new Error("broken");
  });
  let hasRun = false;
  work.add(() => void (hasRun = true));
  assert.ok(hasRun);
  assert.match(String(errors[0]), /broken/);
});
