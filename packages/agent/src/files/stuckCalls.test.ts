// File systems that do not answer: whoever waits for one waits alone.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { preparePool, ThreadPool } from "../task/threadPool.ts";
import { DeadFileSystems, withoutFuse } from "./deadFileSystemFixture.ts";
import { descriptorsBelow, readOnly, type SessionUnderTest, TemporaryTarget } from "./temporaryTargetFixture.ts";

// Nothing has used the pool of this process yet.
const threadCount = preparePool(process.env);
const stuckAfterMs = 100;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

async function openOf(session: SessionUnderTest, path: string): Promise<unknown> {
  return await session.files.handle({ kind: "open", value: { path, openOptions: readOnly } });
}

async function statusOf(session: SessionUnderTest, path: string): Promise<unknown> {
  return await session.files.handle({ kind: "xstat", value: { path, fd: null, followSymlink: true } });
}

for (const walker of ["kernel", "agent"] as const) {
  test(
    `many sessions stuck in a dead file system leave threads for the others, walked by the ${walker}`,
    { skip: withoutFuse, timeout: 20_000 },
    async () => {
      using base = new TemporaryTarget();
      for (const name of ["dead", "live"]) fs.mkdirSync(base.at(name));
      fs.writeFileSync(base.at("live/file"), "text");
      fs.symlinkSync(base.at("dead"), base.at("live/link"));
      await using dead = await DeadFileSystems.mount(base.at("dead"));
      using target = new TemporaryTarget(`/proc/${dead.pid}/root`);
      const threads = new ThreadPool({ threads: threadCount, stuckAfterMs });
      const stuck = Array.from({ length: 20 }, () => target.session({ threads, walker }));
      const waits = stuck.map((session, index) => {
        if (index % 3 === 0) return openOf(session, `${base.at("dead")}/file`);
        return index % 3 === 1 ? statusOf(session, base.at("dead")) : statusOf(session, `${base.at("live")}/link/x/y`);
      });
      let answered = 0;
      for (const wait of waits) void wait.then(() => (answered += 1));
      await using session = target.session({ threads, walker });
      const useLive = async (): Promise<void> => {
        const fd = await session.open(base.at("live/file"), { read: true, write: true });
        assert.equal(await session.readText(fd), "text");
        await session.close(fd);
      };
      await useLive();
      await until(() => threads.stuckCalls > 0);
      for (let count = 0; count < 20; count += 1) await useLive();
      assert.equal(answered, 0);
      assert.ok(threads.underWay < threadCount, `${threads.underWay} of ${threadCount} threads`);

      // Sessions that end meanwhile close what they have once their call is back.
      const ends = stuck.map((ended) => ended[Symbol.asyncDispose]());
      await useLive();
      dead.release();
      await Promise.all([...ends, ...waits]);
      assert.equal(threads.stuckCalls, 0);
      assert.equal(threads.underWay, 0);
      assert.deepEqual(descriptorsBelow(base.at("dead")), []);
    },
  );
}

test("several dead file systems leave a thread for what works", { skip: withoutFuse, timeout: 20_000 }, async () => {
  using base = new TemporaryTarget();
  const places = ["one", "two"].map((name) => base.at(name));
  for (const place of places) fs.mkdirSync(place);
  fs.writeFileSync(base.at("file"), "text");
  await using dead = await DeadFileSystems.mount(...places);
  using target = new TemporaryTarget(`/proc/${dead.pid}/root`);
  const threads = new ThreadPool({ threads: threadCount, stuckAfterMs });
  const stuck = Array.from({ length: 20 }, () => target.session({ threads }));
  const waits = stuck.map((session, index) => openOf(session, `${places[index % 2]}/file`));
  await using session = target.session({ threads });
  await until(() => threads.stuckCalls > 1);
  for (let count = 0; count < 5; count += 1) await session.close(await session.open(base.at("file")));
  dead.release();
  await Promise.all(waits);
  for (const ended of stuck) await ended[Symbol.asyncDispose]();
});
