// Percentiles within their 5 %.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Latencies } from "./latencies.ts";

test("percentiles are those of the durations, within 5 %", () => {
  const latencies = new Latencies();
  assert.equal(latencies.percentile(0.5), null);
  for (let ms = 1; ms <= 1000; ms++) latencies.add(ms);
  for (const [share, expected] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1000],
  ] as const) {
    const found = latencies.percentile(share) ?? 0;
    assert.ok(found >= expected && found <= expected * 1.06, `${share}: ${found}`);
  }
  const extreme = new Latencies();
  extreme.add(0);
  extreme.add(1e12);
  assert.ok((extreme.percentile(0.5) ?? 1) < 0.02);
});
