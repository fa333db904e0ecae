// Reads on the event loop. Whether a file's bytes are in the page cache is up to the kernel, so no test relies on it; each says what must hold
// whether or not they are.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { fstatfs, ReadMemory } from "@understudy/native";
import type { U64 } from "@understudy/protocol";
import { AnswerBuffer, AnswerBuffers } from "./answerBuffer.ts";
import { InstantReads, instantReading, type InstantReading } from "./instantReads.ts";
import { SwapSpace } from "./swapSpace.ts";
import { type SessionUnderTest, TemporaryTarget } from "./temporaryTargetFixture.ts";

const mib = 2 ** 20;
const tmpfs = 0x01021994n;

class OpenTestFile implements Disposable {
  readonly fd: number;
  readonly path: string;
  instantReading: InstantReading;

  constructor(folder: string, content: Uint8Array, reading: InstantReading) {
    this.path = path.join(fs.mkdtempSync(path.join(folder, "understudy-instant-")), "file");
    fs.writeFileSync(this.path, content);
    this.fd = fs.openSync(this.path, "r");
    this.instantReading = reading;
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.fd);
    fs.rmSync(path.dirname(this.path), { recursive: true });
  }
}

async function swapKnown(text: string): Promise<SwapSpace> {
  const list = path.join(fs.mkdtempSync(path.join(tmpdir(), "understudy-swaps-")), "swaps");
  fs.writeFileSync(list, text);
  const swap = new SwapSpace(list);
  await swap.look();
  fs.rmSync(path.dirname(list), { recursive: true });
  return swap;
}

const noSwap = (): Promise<SwapSpace> => swapKnown("Filename Type\n");

async function shmIsTmpfs(): Promise<boolean> {
  if (!fs.existsSync("/dev/shm")) return false;
  const fd = fs.openSync("/dev/shm", "r");
  try {
    return (await fstatfs(fd)).type === tmpfs;
  } finally {
    fs.closeSync(fd);
  }
}

const withoutShm = (await shmIsTmpfs()) || process.env["CI"] !== undefined ? false : "/dev/shm is no tmpfs";

/** Asks the kernel to forget a file's pages, which it does for clean ones. */
function dropCached(name: string): void {
  const fd = fs.openSync(name, "r+");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  assert.equal(spawnSync("dd", [`if=${name}`, "iflag=nocache", "count=0"]).status, 0);
}

function readStart(name: string): void {
  const fd = fs.openSync(name, "r");
  fs.readSync(fd, Buffer.alloc(4096));
  fs.closeSync(fd);
}

test("only regular files of disks and of memory are read on the event loop", () => {
  assert.equal(instantReading("regular", "memory"), "fromMemory");
  assert.equal(instantReading("regular", "disk"), "notYet");
  assert.equal(instantReading("regular", "virtual"), "never");
  assert.equal(instantReading("regular", "remote"), "never");
  for (const kind of ["disk", "memory", "virtual", "remote"] as const) assert.equal(instantReading("other", kind), "never");
});

test("a file of tmpfs is read at once without swap, and by the pool with it", { skip: withoutShm }, async () => {
  const content = randomBytes(mib);
  using file = new OpenTestFile("/dev/shm", content, "fromMemory");
  const memory = new ReadMemory(mib);
  const without = new InstantReads({ slowMs: Infinity, swap: await noSwap() });
  assert.deepEqual(await without.read(file, memory, mib, 0), { count: mib, isAll: true });
  assert.ok(memory.bytes.equals(content));
  assert.deepEqual(await without.read(file, memory, mib, mib - 5), { count: 5, isAll: true });
  assert.deepEqual(await without.read(file, memory, mib, 2 * mib), { count: 0, isAll: true });
  const withSwap = new InstantReads({ slowMs: Infinity, swap: await swapKnown("Filename Type\n/dev/vda2 partition\n") });
  assert.deepEqual(await withSwap.read(file, memory, mib, 0), { count: 0, isAll: false });
});

test("the first read of a disk's file is the pool's, for it may write the access time", () => {
  using file = new OpenTestFile(tmpdir(), Buffer.from("text"), "notYet");
  const reads = new InstantReads({ slowMs: Infinity });
  reads.wasRead(file);
  assert.equal(file.instantReading, "fromCache");
});

test("what is not cached is left to the pool, and the file's position with it", async () => {
  const content = randomBytes(mib);
  using file = new OpenTestFile(tmpdir(), content, "fromCache");
  const reads = new InstantReads({ slowMs: Infinity });
  const memory = new ReadMemory(mib);
  dropCached(file.path);
  const { count, isAll } = await reads.read(file, memory, mib, null);
  // The kernel may keep pages in spite of the advice, and some file systems cannot tell.
  assert.equal(isAll, count === mib);
  assert.ok(memory.bytes.subarray(0, count).equals(content.subarray(0, count)));
  const rest = Buffer.alloc(mib);
  assert.equal(fs.readSync(file.fd, rest, 0, mib, null), mib - count);
  assert.ok(rest.subarray(0, mib - count).equals(content.subarray(count)));
});

test("what is read in the call is all or nothing, and moves the file's position by that", async () => {
  const content = randomBytes(mib);
  using file = new OpenTestFile(tmpdir(), content, "fromCache");
  dropCached(file.path);
  readStart(file.path);
  const reads = new InstantReads({ slowMs: Infinity, turnMaxBytes: 8 * mib });
  const memory = new ReadMemory(mib);
  const length = 256 * 1024;
  const count = reads.readAtOnce(file, memory, length, null);
  const next = Buffer.alloc(16);
  fs.readSync(file.fd, next, 0, 16, null);
  // Whether the rest was cached is up to the kernel.
  assert.ok(count === null || count === length);
  assert.ok(next.equals(content.subarray(count ?? 0, (count ?? 0) + 16)));
  if (count !== null) assert.ok(memory.bytes.subarray(0, length).equals(content.subarray(0, length)));
});

test("at the end of a file less is read in the call; more than belongs to one call or turn is not read", { skip: withoutShm }, async () => {
  const content = randomBytes(mib);
  using file = new OpenTestFile("/dev/shm", content, "fromMemory");
  const swap = await noSwap();
  const memory = new ReadMemory(mib);
  assert.equal(new InstantReads({ slowMs: Infinity, swap }).readAtOnce(file, memory, mib, 0), null);
  const reads = new InstantReads({ slowMs: Infinity, swap, turnMaxBytes: 1000 });
  assert.equal(reads.readAtOnce(file, memory, 900, mib - 5), 5);
  assert.ok(memory.bytes.subarray(0, 5).equals(content.subarray(mib - 5)));
  assert.equal(reads.readAtOnce(file, memory, 900, 0), null);
  await turn();
  await turn();
  assert.equal(reads.readAtOnce(file, memory, 900, mib), 0);
});

test("a file system that cannot tell what is cached is asked only once", { skip: withoutShm }, async () => {
  using file = new OpenTestFile("/dev/shm", Buffer.from("text"), "fromCache");
  const reads = new InstantReads({ slowMs: Infinity });
  const { count, isAll } = await reads.read(file, new ReadMemory(100), 100, 0);
  // Kernels differ in what tmpfs can tell.
  if (isAll) assert.equal(count, 4);
  else assert.deepEqual([count, file.instantReading], [0, "never"]);
});

test("one turn of the event loop reads no more than its limit, whoever asks", { skip: withoutShm }, async () => {
  using file = new OpenTestFile("/dev/shm", randomBytes(mib), "fromMemory");
  const reads = new InstantReads({ slowMs: Infinity, swap: await noSwap(), turnMaxBytes: mib });
  const doneInTurn: number[] = [];
  let turns = 0;
  const readers = Array.from({ length: 10 }, async () => {
    assert.deepEqual(await reads.read(file, new ReadMemory(mib), mib, 0), { count: mib, isAll: true });
    doneInTurn.push(turns);
  });
  const all = Promise.all(readers);
  while (doneInTurn.length < readers.length && turns < 1000) {
    await turn();
    turns += 1;
    // Turns of the test may lag behind those of the reads by one.
    assert.ok(doneInTurn.length <= turns + 1, `${doneInTurn.length} answers in ${turns} turns`);
  }
  await all;
  assert.equal(doneInTurn.length, 10);
});

async function readAll(session: SessionUnderTest, fd: U64, size: number, buffer: AnswerBuffer | undefined): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  while (length < size) {
    const response = await session.files.handle({ kind: "read", value: { remoteFd: fd, bufferSize: mib } }, buffer);
    assert.ok(response?.kind === "read" && response.value.kind === "ok");
    const { bytes } = response.value.value;
    if (bytes.length === 0) break;
    parts.push(Buffer.from(bytes));
    length += bytes.length;
    buffer?.release();
    await turn();
  }
  return Buffer.concat(parts);
}

test("sessions that read at the same time each get their own file, whether it is cached or not", async () => {
  using target = new TemporaryTarget();
  const contents = Array.from({ length: 4 }, (_, index) => randomBytes(2 * mib + 12_345 * index));
  contents.forEach((content, index) => {
    const name = target.at(`file${index}`);
    fs.writeFileSync(name, content);
    if (index % 2 === 0) dropCached(name);
    // In part, that is with what the kernel reads ahead.
    if (index === 2) readStart(name);
  });
  const buffers = new AnswerBuffers();
  const results = contents.map(async (content, index) => {
    await using session = target.session();
    const fd = await session.open(`/file${index}`);
    const text = await readAll(session, fd, content.length, new AnswerBuffer(buffers));
    assert.ok(text.equals(content), `file${index}`);
  });
  await Promise.all(results);
});

test("reads with and without a place move the position as ever, and see what was written meanwhile", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("file"), "0123456789");
  await using session = target.session();
  const fd = await session.open("/file");
  assert.equal(await session.readText(fd, 2), "01");
  assert.equal(await session.readText(fd, 3), "234");
  const limited = await session.ok("readLimited", { kind: "readLimited", value: { remoteFd: fd, bufferSize: 100, startFrom: 8 } });
  assert.equal(Buffer.from(limited.bytes).toString(), "89");
  fs.appendFileSync(target.at("file"), "abc");
  assert.equal(await session.readText(fd, 100), "56789abc");
  assert.equal(await session.readText(fd, 100), "");
  fs.truncateSync(target.at("file"), 3);
  const cut = await session.ok("readLimited", { kind: "readLimited", value: { remoteFd: fd, bufferSize: 100, startFrom: 1 } });
  assert.equal(Buffer.from(cut.bytes).toString(), "12");
});

test("an open file's first read counts as access, as with any process", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("file"), "text");
  fs.utimesSync(target.at("file"), new Date(0), new Date(1000));
  fs.writeFileSync(target.at("other"), "text");
  fs.utimesSync(target.at("other"), new Date(0), new Date(1000));
  await using session = target.session();
  await session.readText(await session.open("/file"));
  fs.readFileSync(target.at("other"));
  const isAccessed = (name: string): boolean => fs.statSync(target.at(name)).atimeMs > 0;
  assert.equal(isAccessed("file"), isAccessed("other"));
});
