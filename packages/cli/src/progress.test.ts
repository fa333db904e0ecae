import assert from "node:assert/strict";
import { test } from "node:test";
import { byteText } from "./byteText.ts";
import { timeLeftText } from "./progress.ts";

test("amounts of bytes are short", () => {
  const texts = [0, 1, 1023, 1024, 1536, 64 * 1024 ** 2, 1024 ** 6].map(byteText);
  assert.deepEqual(texts, ["0 B", "1 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "1048576.0 TiB"]);
});

test("the time that is left is told where it is known", () => {
  assert.equal(timeLeftText({ done: 0, total: 1000, rate: 10 }), "100 s left");
  assert.equal(timeLeftText({ done: 0, total: 6000, rate: 10 }), "10 min left");
  assert.equal(timeLeftText({ done: 0, total: 360_000, rate: 10 }), "10 h left");
  assert.equal(timeLeftText({ done: 0, total: 1000, rate: 0 }), "");
  assert.equal(timeLeftText({ done: 1000, total: 1000, rate: 10 }), "");
});
