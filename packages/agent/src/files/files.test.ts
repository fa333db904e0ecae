import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { descriptorsBelow, readOnly, TemporaryTarget } from "./temporaryTargetFixture.ts";

test("ids count from 0, failures use none up, none is used again, sessions do not share them", async () => {
  using target = new TemporaryTarget();
  await using one = target.session();
  await using other = target.session();
  fs.writeFileSync(target.at("file"), "text");
  assert.equal(await one.open("/file"), 0);
  assert.equal(await one.errno("open", { kind: "open", value: { path: "/none", openOptions: readOnly } }), 2);
  assert.equal(await one.open("/"), 1);
  await one.close(0);
  await one.close(1);
  assert.equal(await one.open("/file"), 2);

  assert.deepEqual(await other.error("read", { kind: "read", value: { remoteFd: 2, bufferSize: 1 } }), { kind: "notFound", value: 2 });
  assert.equal(await other.open("/file"), 0);
  await other.close(2);
  assert.equal(await one.readText(2), "text");
});

test("files, directories and streams count against one limit, and closing makes room", async () => {
  using target = new TemporaryTarget();
  await using session = target.session({ limits: { maxOpenFiles: 4 } });
  await using other = target.session({ limits: { maxOpenFiles: 4 } });
  fs.writeFileSync(target.at("file"), "");
  const file = await session.open("/file");
  const directory = await session.open("/");
  await session.ok("openDir", { kind: "fdOpenDir", value: { remoteFd: directory } });
  await session.ok("getDEnts64", { kind: "getDEnts64", value: { remoteFd: directory, bufferSize: 100 } });
  assert.equal(target.openFds.value, 4);
  const open = { path: "/file", openOptions: { ...readOnly, write: true, create: true } };
  assert.equal(await session.errno("open", { kind: "open", value: { ...open, path: "/new" } }), 24);
  assert.equal(await session.errno("openDir", { kind: "fdOpenDir", value: { remoteFd: directory } }), 24);
  assert.ok(!fs.existsSync(target.at("new")));
  await other.open("/file");
  await session.close(file);
  await session.ok("open", { kind: "open", value: open });
});

test("dispose closes every descriptor, also twice and while a request is under way", async () => {
  using target = new TemporaryTarget();
  const session = target.session();
  fs.writeFileSync(target.at("file"), "text");
  fs.mkdirSync(target.at("d"));
  for (let count = 0; count < 5; count += 1) {
    await session.open("/file", { read: true, write: true });
    const directory = await session.open("/d");
    await session.ok("openDir", { kind: "fdOpenDir", value: { remoteFd: directory } });
    await session.ok("getDEnts64", { kind: "getDEnts64", value: { remoteFd: directory, bufferSize: 10 } });
  }
  await session.close(0);
  assert.equal(target.openFds.value, 19);
  assert.equal(descriptorsBelow(target.root).length, 19);

  const underWay = session.files.handle({ kind: "open", value: { path: "/file", openOptions: readOnly } });
  await Promise.all([session[Symbol.asyncDispose](), session[Symbol.asyncDispose]()]);
  await underWay;
  assert.deepEqual(descriptorsBelow(target.root), []);
  assert.equal(target.openFds.value, 0);

  const late = await session.errno("open", { kind: "open", value: { path: "/file", openOptions: readOnly } });
  assert.equal(late, 4);
  assert.deepEqual(descriptorsBelow(target.root), []);
});

test("no request leaves a descriptor behind, whether it succeeds or fails", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.mkdirSync(target.at("d"));
  fs.writeFileSync(target.at("d/file"), "text");
  fs.symlinkSync("/d/file", target.at("link"));
  for (const path of ["/d/file", "/link", "/d", "/none", "/d/file/x", "/none/x"]) {
    for (const followSymlink of [true, false]) await session.files.handle({ kind: "xstat", value: { path, fd: null, followSymlink } });
    await session.files.handle({ kind: "access", value: { pathname: path, mode: 7 } });
    await session.files.handle({ kind: "statFs", value: { path } });
    await session.files.handle({ kind: "readLink", value: { path } });
    await session.files.handle({ kind: "removeDir", value: { pathname: path } });
    await session.files.handle({ kind: "makeDir", value: { pathname: `${path}/made`, mode: 0o700 } });
    await session.files.handle({ kind: "rename", value: { oldPath: path, newPath: "/none2/x" } });
    await session.files.handle({ kind: "open", value: { path, openOptions: { ...readOnly, write: true, createNew: true } } });
    await session.files.handle({ kind: "unlink", value: { pathname: path } });
  }
  await session[Symbol.asyncDispose]();
  assert.deepEqual(descriptorsBelow(target.root), []);
});
