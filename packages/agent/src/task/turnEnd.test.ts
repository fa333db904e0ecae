import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurnEnd } from "./turnEnd.ts";

test("a job that throws keeps no other from running, and is told of", async () => {
  const errors: unknown[] = [];
  const ran: string[] = [];
  const turnEnd = createTurnEnd((error) => errors.push(error));
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
