import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { readTargetFile } from "./readTargetFile.ts";
import { descriptorsBelow, TemporaryTarget } from "./temporaryTargetFixture.ts";

test("a file of the target is read from its start, up to the limit, and no link leads out", async () => {
  using target = new TemporaryTarget();
  const text = "x".repeat(10_000);
  fs.writeFileSync(target.at("file"), text);
  fs.symlinkSync("/file", target.at("link"));
  fs.symlinkSync(target.secretPath, target.at("out"));
  execFileSync("mkfifo", [target.at("fifo")]);
  assert.equal(Buffer.from(await readTargetFile(target.rootFd, "/link", 65_536)).toString(), text);
  assert.equal((await readTargetFile(target.rootFd, "/file", 100)).length, 100);
  await assert.rejects(readTargetFile(target.rootFd, "/out", 100), { errno: 2 });
  await assert.rejects(readTargetFile(target.rootFd, "/none", 100), { errno: 2 });
  await assert.rejects(readTargetFile(target.rootFd, "/fifo", 100), { errno: 22 });
  await assert.rejects(readTargetFile(target.rootFd, "/", 100), { errno: 22 });
  assert.deepEqual(descriptorsBelow(target.root), []);
});
