import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { repeat, retry } from "./repeat.ts";

function unexpected(error: unknown): never {
  throw new Error("no error was expected", { cause: error });
}

suite("repeat", () => {
  test("rests between failures, longer each time, instead of spinning", async () => {
    const stop = new AbortController();
    const failures: unknown[] = [];
    const failing = (): Promise<void> => Promise.reject(new Error("no route"));
    const done = repeat(failing, { signal: stop.signal, restMs: 10, maxRestMs: 80, onError: (error) => failures.push(error) });
    await sleep(200); // the subject is time itself
    stop.abort();
    await done;
    assert.ok(failures.length >= 2 && failures.length <= 5, `${failures.length} failures`);
  });

  test("never runs more than a hundred times a second, whatever is asked for", async () => {
    const stop = new AbortController();
    let rounds = 0;
    const done = repeat(async () => void rounds++, { signal: stop.signal, restMs: 0, maxRestMs: 0, onError: unexpected });
    await sleep(100);
    stop.abort();
    await done;
    assert.ok(rounds >= 2 && rounds <= 11, `${rounds} rounds`);
  });

  test("lets other work in between", async () => {
    const stop = new AbortController();
    const done = repeat(() => Promise.resolve(), { signal: stop.signal, restMs: 0, maxRestMs: 0, onError: unexpected });
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await done;
  });

  test("ends at once when aborted in a rest, and waits for a round that is under way", async () => {
    const stop = new AbortController();
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const round = async (): Promise<void> => {
      started.resolve();
      await release.promise;
    };
    let hasEnded = false;
    const done = repeat(round, { signal: stop.signal, restMs: 60_000, maxRestMs: 60_000, onError: unexpected }).then(() => {
      hasEnded = true;
    });
    await started.promise;
    stop.abort();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(hasEnded, false);
    release.resolve();
    await done;
  });

  test("does nothing when it is aborted already, and reports no error of the abort", async () => {
    const signal = AbortSignal.abort();
    await repeat(() => assert.fail("a round ran"), { signal, restMs: 10, maxRestMs: 10, onError: unexpected });
    const stop = new AbortController();
    const round = (): Promise<void> => {
      stop.abort();
      return Promise.reject(new Error("aborted"));
    };
    await repeat(round, { signal: stop.signal, restMs: 10, maxRestMs: 10, onError: unexpected });
  });
});

suite("retry", () => {
  test("ends with the first success", async () => {
    const failures: unknown[] = [];
    let rounds = 0;
    const work = async (): Promise<void> => {
      rounds += 1;
      if (rounds < 3) throw new Error("not yet");
    };
    const { signal } = new AbortController();
    await retry(work, { signal, restMs: 10, maxRestMs: 10, onError: (error) => failures.push(error) });
    assert.deepEqual([rounds, failures.length], [3, 2]);
  });

  test("ends with an abort", async () => {
    const stop = new AbortController();
    const failing = (): Promise<void> => Promise.reject(new Error("no route"));
    const done = retry(failing, { signal: stop.signal, restMs: 60_000, maxRestMs: 60_000, onError: () => stop.abort() });
    await done;
  });
});
