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
