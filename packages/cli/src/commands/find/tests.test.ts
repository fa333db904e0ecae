import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDepth, parseNewer, parseSize } from "./tests.ts";

test("sizes have a sign and a unit", () => {
  assert.deepEqual(parseSize("+10k"), { is: "more", bytes: 10_240 });
  assert.deepEqual(parseSize("-1G"), { is: "less", bytes: 1024 ** 3 });
  assert.deepEqual(parseSize("0"), { is: "exactly", bytes: 0 });
  for (const wrong of ["", "k", "1T", "1.5k", "1kk", "++1"]) assert.throws(() => parseSize(wrong), /a size is/);
  for (const wrong of ["", "-1", "1.5", "x"]) assert.throws(() => parseDepth(wrong), /a depth is/);
});

test("times are dates or ages", () => {
  assert.equal(parseNewer("2026-01-31T12:00Z").toISOString(), "2026-01-31T12:00:00.000Z");
  const ago = Date.now() - parseNewer("2h").getTime();
  assert.ok(Math.abs(ago - 7_200_000) < 1_000);
  for (const wrong of ["", "2", "2x", "yesterday", "2026-99-99"]) assert.throws(() => parseNewer(wrong), /a time is/);
});
