// What names that no server answers for cost: descriptors, memory, and the time of everybody else.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Log } from "../log/log.ts";
import { createResolver } from "./resolver.ts";

const LOOKUPS = 2000;
const SESSIONS = 4;
const MAX_DESCRIPTORS = 100;
const MAX_MIB = 20;
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const silent: Log = { isDebug: false, isTrace: false, trace() {}, debug() {}, event() {}, child: () => silent };

interface Usage {
  readonly descriptors: number;
  readonly mib: number;
}

/** Of what is in use: memory that a collection would free is not counted. */
function usage(): Usage {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return { descriptors: readdirSync("/proc/self/fd").length, mib: (heapUsed + external) / 2 ** 20 };
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)]!;
}

test(`${LOOKUPS} unanswered look-ups take few descriptors and little memory, and leave other sessions' names fast`, async (t) => {
  // Its socket is never read.
  const hole = createSocket("udp4").bind(0, "127.0.0.1");
  await once(hole, "listening");
  t.after(() => hole.close());
  const files: Record<string, string> = {
    "/etc/hosts": "10.0.0.1 known\n",
    "/etc/resolv.conf": "nameserver 127.0.0.1\nsearch a.test b.test\n",
  };
  using resolver = createResolver({
    readTargetFile: (path) => Promise.resolve(Buffer.from(files[path]!)),
    log: silent,
    requestCount: { add() {} },
    serverPort: hole.address().port,
    timeoutMs: 300,
    attempts: 3,
    deadlineMs: 1500,
  });
  const other = new AbortController().signal;
  const known = (): Promise<unknown> => resolver.lookup({ node: "known", family: "ipv4Only" }, other);
  await known();
  const before = usage();
  const sessions = Array.from({ length: SESSIONS }, () => new AbortController().signal);
  const unanswered = Array.from({ length: LOOKUPS }, (_, i) =>
    resolver.lookup({ node: `name-${i}`, family: "both" }, sessions[i % SESSIONS]!),
  );
  const over = new AbortController();
  const outcomes = Promise.allSettled(unanswered).finally(() => over.abort());
  await sleep(100);
  const during = usage();
  const waitsMs: number[] = [];
  while (!over.signal.aborted) {
    const began = performance.now();
    await known();
    waitsMs.push(performance.now() - began);
    await sleep(5);
  }
  for (const outcome of await outcomes)
    assert.match(outcome.status === "rejected" ? String(outcome.reason) : "answered", /no answer in time/);
  await sleep(50);
  const after = usage();
  for (const [when, { descriptors, mib }] of Object.entries({ during, after })) {
    t.diagnostic(`${when}: ${descriptors - before.descriptors} descriptors and ${(mib - before.mib).toFixed(1)} MiB more`);
    assert.ok(descriptors - before.descriptors <= MAX_DESCRIPTORS, when);
    assert.ok(mib - before.mib <= MAX_MIB, when);
  }
  t.diagnostic(`p99 of another session's names: ${p99(waitsMs).toFixed(2)} ms`);
  assert.ok(waitsMs.length > 20 && p99(waitsMs) < 50, `p99 of ${waitsMs.length}: ${p99(waitsMs)} ms`);
  assert.deepEqual([resolver.usage.asking, resolver.usage.waiting], [0, 0]);
});
