// Whose turn it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FairQueue } from "./fairQueue.ts";

const { signal } = new AbortController();

test("permits go round among owners, however many requests one has", async () => {
  const queue = new FairQueue({ limit: 1, limitPerOwner: 1, maxWaiting: 100 });
  const [greedy, modest] = [{}, {}];
  const order: string[] = [];
  const run = async (owner: object, name: string) => {
    using _permit = await queue.acquire(owner, signal);
    order.push(name);
    await nextTurn();
  };
  await Promise.all([...Array.from({ length: 4 }, () => run(greedy, "greedy")), run(modest, "modest")]);
  assert.deepEqual(order, ["greedy", "modest", "greedy", "greedy", "greedy"]);
  assert.deepEqual([queue.held, queue.waiting], [0, 0]);
});

test("one owner cannot hold all permits", async () => {
  const queue = new FairQueue({ limit: 4, limitPerOwner: 2, maxWaiting: 100 });
  const greedy = {};
  const permits = [await queue.acquire(greedy, signal), await queue.acquire(greedy, signal)];
  const third = queue.acquire(greedy, signal);
  using _other = await queue.acquire({}, signal);
  assert.deepEqual([queue.held, queue.waiting], [3, 1]);
  permits[0]?.[Symbol.dispose]();
  permits[0]?.[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  permits[1]?.[Symbol.dispose]();
  assert.deepEqual([queue.held, queue.waiting], [1, 0]);
});

test("a request that is aborted leaves, and one too many is refused", async () => {
  const queue = new FairQueue({ limit: 1, limitPerOwner: 1, maxWaiting: 1 });
  const owner = {};
  const permit = await queue.acquire(owner, signal);
  const gone = new AbortController();
  const waiting = queue.acquire(owner, gone.signal);
  await assert.rejects(queue.acquire(owner, signal), /more than 1 queries wait/);
  const reason = new Error("gone");
  gone.abort(reason);
  await assert.rejects(waiting, reason);
  assert.deepEqual([queue.held, queue.waiting], [1, 0]);
  permit[Symbol.dispose]();
  (await queue.acquire(owner, signal))[Symbol.dispose]();
});

test("a request waits no longer than it may, and leaves nothing behind", async () => {
  const queue = new FairQueue({ limit: 1, limitPerOwner: 1, maxWaiting: 1 });
  const owner = {};
  const { signal } = new AbortController();
  const permit = await queue.acquire(owner, signal);
  await assert.rejects(queue.acquire(owner, signal, { ms: 5, reason: () => new Error("too late") }), /too late/);
  assert.equal(queue.waiting, 0);
  // One that has its turn in time is not ended by its limit.
  const next = queue.acquire(owner, signal, { ms: 60_000, reason: () => new Error("too late") });
  permit[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assert.equal(queue.held, 0);
});
