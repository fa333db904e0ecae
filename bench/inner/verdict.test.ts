// What counts as dearer, and what as noise.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDearer } from "./verdict.ts";

test("a piece is dearer when the least and the median both say so", () => {
  assert.equal(isDearer({ base: [100, 101, 105], ours: [120, 121, 125] }), true);
  assert.equal(isDearer({ base: [100, 101, 105], ours: [105, 109, 110] }), false);
});

test("one slow sample is noise, and so are many slow ones beside a fast one", () => {
  assert.equal(isDearer({ base: [100, 100, 100], ours: [100, 100, 300] }), false);
  assert.equal(isDearer({ base: [100, 100, 100], ours: [101, 300, 300] }), false);
});

test("a piece that only one version has is not dearer", () => {
  assert.equal(isDearer({ base: [], ours: [100] }), false);
});
