// What a curve says of its bends, and its picture.

import assert from "node:assert/strict";
import { test } from "node:test";
import { steepness } from "./curve.ts";
import { svg } from "./draw.ts";

const point = (size: number, costUs: number) => ({ size, costUs, memoryMiB: 0 });

test("a level cost has no steepness, a cost that grows with its size has one", () => {
  assert.equal(steepness(point(10, 5), point(1000, 5)), 0);
  assert.ok(Math.abs(steepness(point(10, 5), point(1000, 500)) - 1) < 1e-9);
});

test("a picture has all points, level ones at one height", () => {
  const text = svg("sessions", "session", [point(1, 50), point(10, 50), point(100, 50)]);
  const heights = [...text.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map(([, y]) => y);
  assert.equal(heights.length, 3);
  assert.equal(new Set(heights).size, 1);
});
