// Which requests are answered in the call that asks, and that it makes no difference to what is answered.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { FileRequest, FileResponse } from "@understudy/protocol";
import { readOnly, type SessionUnderTest, TemporaryTarget } from "./temporaryTargetFixture.ts";

const open = (name: string): FileRequest => ({ kind: "open", value: { path: name, openOptions: readOnly } });
const status = (name: string | null, fd: number | null = null): FileRequest => ({
  kind: "xstat",
  value: { path: name, fd, followSymlink: true },
});

/** Fails when the answer may come later. */
function atOnce(session: SessionUnderTest, request: FileRequest): FileResponse | undefined {
  const answer = session.files.handle(request);
  assert.ok(!(answer instanceof Promise), `${request.kind} was not answered at once`);
  return answer;
}

/** A session that knows what kind of file system it is on. */
async function acquainted(target: TemporaryTarget): Promise<SessionUnderTest> {
  const session = target.session();
  await session.ok("xstat", status("/"));
  return session;
}

test("status, open, seek and close of what is cached are answered at once", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("file"), "0123456789");
  await using session = await acquainted(target);
  const opened = atOnce(session, open("/file"));
  assert.deepEqual(opened, { kind: "open", value: { kind: "ok", value: { fd: 0 } } });
  for (const request of [status("/file"), status(null, 0)]) {
    const answer = atOnce(session, request);
    assert.ok(answer?.kind === "xstat" && answer.value.kind === "ok");
    assert.equal(answer.value.value.metadata.size, 10);
  }
  const moved = atOnce(session, { kind: "seek", value: { fd: 0, seekFrom: { kind: "start", value: 7 } } });
  assert.deepEqual(moved, { kind: "seek", value: { kind: "ok", value: { resultOffset: 7 } } });
  assert.equal(await session.readText(0), "789");
  assert.equal(target.openFds.value, 1);
  assert.equal(atOnce(session, { kind: "close", value: { fd: 0 } }), undefined);
  assert.equal(target.openFds.value, 0);
});

test("failures of the same are told at once", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("file"), "text");
  await using session = await acquainted(target);
  // The first look at a name that is missing may be the kernel's own.
  await session.errno("xstat", status("/none"));
  const errno = (answer: FileResponse | undefined): number | null => {
    assert.ok(
      (answer?.kind === "xstat" || answer?.kind === "open") && answer.value.kind === "err" && answer.value.value.kind === "remoteIO",
    );
    return answer.value.value.value.rawOsError;
  };
  assert.equal(errno(atOnce(session, status("/none"))), 2);
  assert.equal(errno(atOnce(session, open("/none"))), 2);
  assert.equal(errno(atOnce(session, open("relative"))), 2);
});

test("below an open directory, what leads out of it is found as by the general way", async () => {
  using target = new TemporaryTarget();
  fs.mkdirSync(target.at("d"));
  fs.writeFileSync(target.at("d/inside"), "inside");
  fs.writeFileSync(target.at("outside"), "outside");
  await using session = await acquainted(target);
  const directory = await session.open("/d");
  const relative = (name: string): FileRequest => ({
    kind: "openRelative",
    value: { relativeFd: directory, path: name, openOptions: readOnly },
  });
  assert.ok(!(session.files.handle(relative("inside")) instanceof Promise));
  for (const name of ["inside", "../outside", "/outside"]) {
    const { fd } = await session.ok("open", relative(name));
    assert.equal(await session.readText(fd), path.basename(name));
  }
});

test("requests behind one that waits keep their order", async () => {
  using target = new TemporaryTarget();
  await using session = await acquainted(target);
  const openOptions = { ...readOnly, write: true, create: true };
  const requests: FileRequest[] = [
    { kind: "open", value: { path: "/new", openOptions } },
    { kind: "write", value: { fd: 0, writeBytes: Buffer.from("written") } },
    status("/new"),
    { kind: "close", value: { fd: 0 } },
    open("/new"),
  ];
  const answers = await Promise.all(requests.map(async (request) => await session.files.handle(request)));
  const [, written, found, closed, opened] = answers;
  assert.deepEqual(written, { kind: "write", value: { kind: "ok", value: { writtenAmount: 7 } } });
  assert.ok(found?.kind === "xstat" && found.value.kind === "ok");
  assert.equal(found.value.value.metadata.size, 7);
  assert.equal(closed, undefined);
  assert.deepEqual(opened, { kind: "open", value: { kind: "ok", value: { fd: 1 } } });
  assert.ok(!(session.files.handle(status("/new")) instanceof Promise));
});

test("what was opened for writing, or has no name any more, is not closed on the event loop", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("file"), "text");
  await using session = await acquainted(target);
  const writable = await session.open("/file", { read: true, write: true });
  const nameless = await session.open("/file");
  fs.rmSync(target.at("file"));
  for (const fd of [writable, nameless]) {
    const closing = session.files.handle({ kind: "close", value: { fd } });
    assert.ok(closing instanceof Promise);
    assert.equal(await closing, undefined);
  }
  assert.equal(target.openFds.value, 0);
});

test("after its end a session opens nothing, also not at once", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("file"), "text");
  const session = await acquainted(target);
  await session.files[Symbol.asyncDispose]();
  assert.equal(await session.errno("open", open("/file")), 4);
  assert.equal(target.openFds.value, 0);
});
