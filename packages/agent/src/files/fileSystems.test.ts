import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { ThreadPool } from "../task/threadPool.ts";
import { FileSystems } from "./fileSystems.ts";
import { closeInstantly, locateCached } from "./instantCalls.ts";

const AT_FDCWD = -100;

test("file systems of this machine are told apart from those that may wait", async () => {
  const fileSystems = new FileSystems(new ThreadPool().share());
  const expected = { "/dev": "memory", "/proc": "virtual", "/sys": "virtual" };
  for (const [path, kind] of Object.entries(expected)) {
    const fd = locateCached(AT_FDCWD, path, 0, 0);
    const { device, inode } = await fileSystems.status(fd);
    assert.equal(await fileSystems.kindOf(device, fd), kind, path);
    assert.equal(inode, fs.statSync(path).ino);
    closeInstantly(fd);
  }
});

test("a file system of unknown kind counts as one that may wait", async () => {
  const fileSystems = new FileSystems(new ThreadPool().share());
  // Namespaces are files of a file system of their own, which the table does not know.
  const fd = fs.openSync("/proc/self/ns/net", fs.constants.O_RDONLY);
  const { device, inode } = await fileSystems.status(fd);
  assert.equal(await fileSystems.kindOf(device, fd), "remote");
  assert.equal(inode, fs.fstatSync(fd).ino);
  closeInstantly(fd);
});
