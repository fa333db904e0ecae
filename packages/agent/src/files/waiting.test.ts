import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readOnly, TemporaryTarget } from "./temporaryTargetFixture.ts";

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;
/** Long enough to tell waiting from answering, in tests whose subject is the waiting. */
const shortlyMs = 60;

function makeFifo(target: TemporaryTarget): string {
  execFileSync("mkfifo", [target.at("fifo")]);
  return target.at("fifo");
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const first = await Promise.race([promise.then(() => "settled"), sleep(shortlyMs, "pending")]);
  return first === "pending";
}

test("opening a FIFO for reading waits for a writer, reading it for data, and its end is seen", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const fifo = makeFifo(target);
  const opening = session.open("/fifo");
  assert.ok(await isPending(opening));
  const writer = fs.openSync(fifo, O_WRONLY | O_NONBLOCK);
  const fd = await opening;

  const reading = session.readText(fd);
  assert.ok(await isPending(reading));
  fs.writeSync(writer, "hello");
  assert.equal(await reading, "hello");
  fs.closeSync(writer);
  assert.equal(await session.readText(fd), "");
  assert.equal(await session.errno("seek", { kind: "seek", value: { fd, seekFrom: { kind: "start", value: 0 } } }), 29);
});

test("what a writer left behind before it went is not lost while the open waits", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const fifo = makeFifo(target);
  const opening = session.open("/fifo");
  assert.ok(await isPending(opening));
  const writer = fs.openSync(fifo, O_WRONLY | O_NONBLOCK);
  fs.writeSync(writer, "gone");
  fs.closeSync(writer);
  assert.equal(await session.readText(await opening), "gone");
});

test("opening a FIFO for writing waits for a reader, and a full one for room", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const fifo = makeFifo(target);
  const opening = session.open("/fifo", { write: true });
  assert.ok(await isPending(opening));
  const reader = fs.openSync(fifo, O_RDONLY | O_NONBLOCK);
  const fd = await opening;

  const writeBytes = Buffer.alloc(2 ** 20, "x");
  const { writtenAmount } = await session.ok("write", { kind: "write", value: { fd, writeBytes } });
  assert.equal(writtenAmount, 65536);
  const writing = session.ok("write", { kind: "write", value: { fd, writeBytes } });
  assert.ok(await isPending(writing));
  fs.readSync(reader, Buffer.alloc(65536));
  assert.ok(Number((await writing).writtenAmount) > 0);
  fs.closeSync(reader);
  assert.equal(await session.errno("write", { kind: "write", value: { fd, writeBytes } }), 32);
});

test("a FIFO opened for both waits for nobody", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  makeFifo(target);
  const fd = await session.open("/fifo", { read: true, write: true });
  await session.write(fd, "echo");
  assert.equal(await session.readText(fd), "echo");
});

test("the end of a session ends its waits, and other sessions are served meanwhile", async () => {
  using target = new TemporaryTarget();
  makeFifo(target);
  execFileSync("mkfifo", [target.at("quiet")]);
  fs.writeFileSync(target.at("file"), "text");
  const sessions = Array.from({ length: 20 }, () => target.session());
  const waits: Promise<number | null>[] = [];
  for (const [index, session] of sessions.entries()) {
    if (index % 2 === 0) {
      waits.push(session.errno("open", { kind: "open", value: { path: "/fifo", openOptions: readOnly } }));
    } else {
      const fd = await session.open("/quiet", { read: true, write: true });
      waits.push(session.errno("read", { kind: "read", value: { remoteFd: fd, bufferSize: 1 } }));
    }
  }
  await using other = target.session();
  assert.equal(await other.readText(await other.open("/file")), "text");
  assert.ok(await isPending(Promise.race(waits)));
  for (const session of sessions.slice(0, 10)) session.ended.abort();
  for (const session of sessions) await session[Symbol.asyncDispose]();
  assert.deepEqual(new Set(await Promise.all(waits)), new Set([4]));
  assert.equal(target.openFds.value, 1);
});

test("an open that waits is ended with EINTR and keeps no descriptor", async () => {
  using target = new TemporaryTarget();
  makeFifo(target);
  await using session = target.session();
  const opening = session.errno("open", { kind: "open", value: { path: "/fifo", openOptions: readOnly } });
  assert.ok(await isPending(opening));
  session.ended.abort();
  assert.equal(await opening, 4);
  assert.equal(target.openFds.value, 0);
});

test("devices without end are read in answers of at most maxReadBytes", async () => {
  using target = new TemporaryTarget("/");
  await using session = target.session();
  const zero = await session.open("/dev/zero", { read: true, write: true });
  const huge = 2n ** 64n - 1n;
  const { bytes, readAmount } = await session.ok("read", { kind: "read", value: { remoteFd: zero, bufferSize: huge } });
  assert.equal(readAmount, 2 ** 20);
  assert.ok(bytes.every((byte) => byte === 0));
  const limited = { remoteFd: zero, bufferSize: huge, startFrom: 12345 };
  assert.equal((await session.ok("readLimited", { kind: "readLimited", value: limited })).readAmount, 2 ** 20);
  const random = await session.open("/dev/urandom");
  const pieces = [await session.ok("read", { kind: "read", value: { remoteFd: random, bufferSize: 64 } })];
  pieces.push(await session.ok("read", { kind: "read", value: { remoteFd: random, bufferSize: 64 } }));
  assert.equal(pieces[0]?.readAmount, 64);
  assert.notDeepEqual(pieces[0]?.bytes, pieces[1]?.bytes);
  const none = await session.open("/dev/null", { read: true, write: true });
  await session.write(none, "away");
  assert.equal(await session.readText(none, huge), "");
});

test("a socket cannot be opened: ENXIO at once, for reading and for writing", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const server = net.createServer().listen(target.at("socket"));
  await once(server, "listening");
  for (const options of [readOnly, { ...readOnly, read: false, write: true }]) {
    const value = { path: "/socket", openOptions: options };
    assert.equal(await session.errno("open", { kind: "open", value }), 6);
  }
  const { metadata } = await session.ok("xstat", { kind: "xstat", value: { path: "/socket", fd: null, followSymlink: true } });
  assert.equal(metadata.mode & 0o170000, 0o140000);
  server.close();
});
