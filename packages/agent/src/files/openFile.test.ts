import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { ThreadPool } from "../task/threadPool.ts";
import { readOnly, TemporaryTarget } from "./temporaryTargetFixture.ts";

test("a cached file of this machine is opened, stated and closed although no thread is free", { timeout: 10_000 }, async () => {
  using target = new TemporaryTarget();
  const threads = new ThreadPool({ threads: 1 });
  await using session = target.session({ threads });
  fs.writeFileSync(target.at("file"), "text");
  fs.symlinkSync("file", target.at("link"));
  // A link whose access time is not later than its last change has it written when it is followed, for which the kernel may wait.
  fs.lutimesSync(target.at("link"), new Date(Date.now() + 3_600_000), new Date(0));
  // Which kind of file system it is on has to be found out once.
  await session.close(await session.open("/link"));
  const busy = Promise.withResolvers<void>();
  const call = threads.share().run(1, () => busy.promise);

  for (const name of ["/file", "/link"]) {
    const fd = await session.open(name);
    const { metadata } = await session.ok("xstat", { kind: "xstat", value: { path: null, fd, followSymlink: true } });
    assert.equal(metadata.size, 4);
    await session.close(fd);
  }
  busy.resolve();
  await call;
  assert.equal(target.openFds.value, 0);
});

test("what is opened at once is what the path names at that moment, or nothing", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  for (const text of ["one", "other"]) {
    fs.writeFileSync(target.at(`${text}.new`), text);
    fs.renameSync(target.at(`${text}.new`), target.at("file"));
    assert.equal(await session.readText(await session.open("/file")), text);
  }
  fs.unlinkSync(target.at("file"));
  assert.equal(await session.errno("open", { kind: "open", value: { path: "/file", openOptions: readOnly } }), 2);
});
