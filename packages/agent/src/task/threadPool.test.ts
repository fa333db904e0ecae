import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Place, preparePool, ThreadPool } from "./threadPool.ts";

/** Calls that come back when they are told to. */
class Calls {
  readonly #ends: (() => void)[] = [];
  begun = 0;

  readonly work = (): Promise<void> => {
    this.begun += 1;
    return new Promise((resolve) => this.#ends.push(resolve));
  };

  endAll(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}

/** As many calls of as many holders at one place. */
function start(pool: ThreadPool, place: Place, count: number): { readonly calls: Calls; readonly done: Promise<unknown> } {
  const calls = new Calls();
  return { calls, done: Promise.all(Array.from({ length: count }, () => pool.share().run(place, calls.work))) };
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("a file system gets no more threads than are free, so that each of several finds one", async () => {
  const pool = new ThreadPool({ threads: 16 });
  const begun: number[] = [];
  const started = [1, 2, 3, 4, 5].map((place) => {
    const one = start(pool, place, 20);
    begun.push(one.calls.begun);
    return one;
  });
  assert.deepEqual(begun, [8, 4, 2, 1, 1]);
  assert.equal(pool.underWay, 16);
  for (let round = 0; round < 40; round += 1) {
    for (const { calls } of started) calls.endAll();
    await settled();
  }
  await Promise.all(started.map(({ done }) => done));
  assert.equal(pool.underWay, 0);
});

test("one holder has one call in the pool at a time, in order", async () => {
  const pool = new ThreadPool();
  const share = pool.share();
  const order: number[] = [];
  const runs = [1, 2, 3].map((number) =>
    share.run(1, async () => {
      assert.equal(pool.underWay, 1);
      await settled();
      order.push(number);
    }),
  );
  await Promise.all(runs);
  assert.deepEqual(order, [1, 2, 3]);
});

test("a place with stuck calls gets no more threads until some come back, others go on", async () => {
  const pool = new ThreadPool({ threads: 16, stuckAfterMs: 20 });
  const dead = start(pool, 1, 4);
  while (pool.stuckCalls < 4) await sleep(5);
  const more = start(pool, 1, 3);
  assert.equal(more.calls.begun, 0);
  const live = start(pool, 2, 3);
  assert.equal(live.calls.begun, 3);
  live.calls.endAll();
  await live.done;
  assert.equal(more.calls.begun, 0);
  dead.calls.endAll();
  await dead.done;
  assert.equal(more.calls.begun, 3);
  assert.equal(pool.stuckCalls, 0);
  more.calls.endAll();
  await more.done;
});

test("whole paths are looked up by few calls at once and by none while one is stuck", async () => {
  const pool = new ThreadPool({ threads: 16, stuckAfterMs: 20 });
  const first = start(pool, null, 3);
  assert.ok(pool.mayLookUp);
  const last = start(pool, null, 1);
  assert.ok(!pool.mayLookUp);
  last.calls.endAll();
  await last.done;
  assert.ok(pool.mayLookUp);
  while (pool.stuckCalls < 3) await sleep(5);
  assert.ok(!pool.mayLookUp);
  first.calls.endAll();
  await first.done;
  assert.ok(pool.mayLookUp);
});

test("who goes away stops waiting for a thread; what must be done to the end does not", async () => {
  const pool = new ThreadPool({ threads: 1 });
  const busy = start(pool, 1, 1);
  const leaving = new AbortController();
  const work = new Calls();
  const waiting = pool.share(leaving.signal).run(2, work.work);
  const closing = pool.share(leaving.signal).runToEnd(3, work.work);
  leaving.abort();
  await assert.rejects(waiting);
  await assert.rejects(pool.share(leaving.signal).run(2, work.work));
  assert.equal(work.begun, 0);
  busy.calls.endAll();
  await busy.done;
  assert.equal(work.begun, 1);
  work.endAll();
  await closing;
});

test("a failure gives the thread back", async () => {
  const pool = new ThreadPool({ threads: 1 });
  const share = pool.share();
  await assert.rejects(
    share.run(1, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(await share.run(1, () => Promise.resolve("yes")), "yes");
});

test("the number of threads is that of the environment, as libuv reads it", () => {
  const env: NodeJS.ProcessEnv = {};
  assert.equal(preparePool(env), 16);
  assert.equal(env["UV_THREADPOOL_SIZE"], "16");
  for (const [text, threads] of [
    ["4", 4],
    ["0", 1],
    ["x", 1],
    ["5000", 1024],
  ] as const) {
    assert.equal(preparePool({ UV_THREADPOOL_SIZE: text }), threads);
  }
});
