import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import type { DirEntryInternal, U64 } from "@understudy/protocol";
import { type SessionUnderTest, TemporaryTarget } from "./temporaryTargetFixture.ts";

async function openStream(session: SessionUnderTest, directory: U64): Promise<U64> {
  return (await session.ok("openDir", { kind: "fdOpenDir", value: { remoteFd: directory } })).fd;
}

async function batch(session: SessionUnderTest, remoteFd: U64, amount: U64): Promise<readonly DirEntryInternal[]> {
  const response = await session.ok("readDirBatch", { kind: "readDirBatch", value: { remoteFd, amount } });
  assert.equal(response.fd, remoteFd);
  return response.dirEntries;
}

function dents(session: SessionUnderTest, remoteFd: U64, bufferSize: U64) {
  return session.ok("getDEnts64", { kind: "getDEnts64", value: { remoteFd, bufferSize } });
}

/** Processor time of the event loop between two of its turns, in ms, until disposed: on a busy machine the clock would blame it for others. */
class TurnWatch implements Disposable {
  /** The longest turns, which are few: a loop that does nothing turns very often. */
  readonly #longMs: number[] = [];
  #isWatching = true;
  #last = process.threadCpuUsage();

  constructor() {
    setImmediate(() => this.#turn());
  }

  get longestMs(): number {
    return Math.max(0, ...this.#longMs);
  }

  /** Turns that took over 5 ms. */
  get longTurns(): number {
    return this.#longMs.length;
  }

  [Symbol.dispose](): void {
    this.#isWatching = false;
  }

  #turn(): void {
    const { user, system } = process.threadCpuUsage(this.#last);
    if (user + system > 5000) this.#longMs.push((user + system) / 1000);
    this.#last = process.threadCpuUsage();
    if (this.#isWatching) setImmediate(() => this.#turn());
  }
}

const manyCount = 100_000;
/** Bytes of a name that is no UTF-8. */
const strangeName = Buffer.from([0x6d, 0xff, 0x6e]);

function makeMany(target: TemporaryTarget): void {
  fs.mkdirSync(target.at("many"));
  for (let index = 0; index < manyCount - 2; index += 1) fs.closeSync(fs.openSync(target.at(`many/file-${index}`), "w"));
  fs.mkdirSync(target.at("many/directory"));
  fs.writeFileSync(Buffer.concat([Buffer.from(target.at("many/")), strangeName]), "");
}

/** Sees to it that each entry comes once, in its position, with its type. */
function checkMany(entries: readonly DirEntryInternal[], firstPosition: number): void {
  assert.equal(new Set(entries.map(({ name }) => name)).size, manyCount);
  for (const [index, { position, name, fileType }] of entries.entries()) {
    assert.equal(position, firstPosition + index);
    assert.equal(fileType, name === "directory" ? 4 : 8, name);
  }
  assert.ok(entries.some(({ name }) => name === "m\ufffdn"));
}

test("a directory of 100,000 entries comes whole and in bounded answers, and holds up nobody", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  makeMany(target);
  const directory = await session.open("/many");
  const stream = await openStream(session, directory);
  using watch = new TurnWatch();

  const listed: DirEntryInternal[] = [];
  for (;;) {
    const entries = await batch(session, stream, 2n ** 64n - 1n);
    if (entries.length === 0) break;
    assert.ok(entries.length <= 1024);
    listed.push(...entries);
  }
  const gotten: DirEntryInternal[] = [];
  for (;;) {
    const { entries, resultSize } = await dents(session, directory, 32_768);
    if (entries.length === 0) break;
    assert.ok(Number(resultSize) <= 32_768);
    gotten.push(...entries);
  }
  // The collector of the heap takes one or the other.
  assert.ok(watch.longTurns < 10 && watch.longestMs < 25, `${watch.longTurns} turns over 5 ms, longest ${watch.longestMs} ms`);
  checkMany(listed, 0);
  assert.deepEqual(
    gotten.slice(0, 2).map(({ name }) => name),
    [".", ".."],
  );
  checkMany(gotten.slice(2), 2);

  const single = await openStream(session, directory);
  for (let position = 0; position < 3000; position += 1) {
    const { direntry } = await session.ok("readDir", { kind: "readDir", value: { remoteFd: single } });
    assert.deepEqual(direntry, listed[position]);
  }
  await sweep(target, session, directory, single);
});

/** Removes everything while it is listed: the stream goes on to its end, and what it still names is named once. */
async function sweep(target: TemporaryTarget, session: SessionUnderTest, directory: U64, stream: U64): Promise<void> {
  const other = await openStream(session, directory);
  const before = await batch(session, other, 100);
  fs.rmSync(target.at("many"), { recursive: true });
  const names = new Set(before.map(({ name }) => name));
  for (const [id, seen] of [
    [other, names],
    [stream, new Set<string>()],
  ] as const) {
    for (;;) {
      const entries = await batch(session, id, 1000);
      if (entries.length === 0) break;
      for (const { name } of entries) {
        assert.ok(!seen.has(name), name);
        seen.add(name);
      }
    }
    assert.ok(seen.size < manyCount);
  }
}

test("entries carry type, inode and position; . and .. are left out", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.mkdirSync(target.at("d/directory"), { recursive: true });
  fs.writeFileSync(target.at("d/file"), "");
  fs.symlinkSync("nowhere", target.at("d/link"));
  execFileSync("mkfifo", [target.at("d/fifo")]);
  const stream = await openStream(session, await session.open("/d"));
  const entries: DirEntryInternal[] = [];
  for (;;) {
    const { direntry } = await session.ok("readDir", { kind: "readDir", value: { remoteFd: stream } });
    if (direntry === null) break;
    entries.push(direntry);
  }
  assert.deepEqual(
    entries.map(({ position }) => position),
    [0, 1, 2, 3],
  );
  const types = Object.fromEntries(entries.map(({ name, fileType }) => [name, fileType]));
  assert.deepEqual(types, { directory: 4, file: 8, link: 10, fifo: 1 });
  for (const { name, inode } of entries) assert.equal(inode, fs.lstatSync(target.at(`d/${name}`)).ino);
  assert.deepEqual(await batch(session, stream, 10), []);
});

test("getdents starts with . and .., counts sizes as the reference does and stays at its end", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.mkdirSync(target.at("d"));
  // 20 bytes and the name, rounded up to 8: 24 for ".", "..", 4-byte names; 32 for 5 to 12 bytes; "ö" has two.
  for (const name of ["1234", "12345", "ööö"]) fs.writeFileSync(target.at(`d/${name}`), "");
  const directory = await session.open("/d");
  assert.deepEqual(await dents(session, directory, 23), { fd: directory, entries: [], resultSize: 0 });
  const first = await dents(session, directory, 60);
  assert.deepEqual(
    first.entries.map(({ name, position, fileType }) => [name, position, fileType]),
    [
      [".", 0, 4],
      ["..", 1, 4],
    ],
  );
  assert.equal(first.resultSize, 48);
  assert.deepEqual(
    first.entries.map(({ inode }) => inode),
    [fs.statSync(target.at("d")).ino, fs.statSync(target.root).ino],
  );
  const rest = await dents(session, directory, 2n ** 63n);
  assert.deepEqual(
    rest.entries.map(({ position }) => position),
    [2, 3, 4],
  );
  assert.equal(rest.resultSize, 24 + 32 + 32);
  fs.writeFileSync(target.at("d/late"), "");
  for (let again = 0; again < 2; again += 1) assert.deepEqual((await dents(session, directory, 4096)).entries, []);
});

test("closing a directory's stream lets getdents start again; closing the directory drops it", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const directory = await session.open("/");
  assert.equal((await dents(session, directory, 4096)).entries.length, 2);
  assert.equal((await dents(session, directory, 4096)).entries.length, 0);
  assert.equal(target.openFds.value, 2);
  assert.equal(await session.files.handle({ kind: "closeDir", value: { remoteFd: directory } }), undefined);
  assert.equal(target.openFds.value, 1);
  assert.equal((await dents(session, directory, 4096)).entries.length, 2);
  await session.close(directory);
  assert.equal(target.openFds.value, 0);
});

test("two streams of one directory do not disturb each other", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  for (const name of ["a", "b", "c"]) fs.writeFileSync(target.at(name), "");
  const directory = await session.open("/");
  const [one, other] = [await openStream(session, directory), await openStream(session, directory)];
  assert.notEqual(one, other);
  const first = await batch(session, one, 1);
  assert.equal((await batch(session, other, 5)).length, 3);
  assert.equal((await dents(session, directory, 4096)).entries.length, 5);
  const names = [...first, ...(await batch(session, one, 5))].map(({ name }) => name);
  assert.deepEqual(names.toSorted(), ["a", "b", "c"]);
});

test("names that are no UTF-8 are shown with U+FFFD", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(Buffer.concat([Buffer.from(target.at("a")), Buffer.from([0xff, 0x62])]), "");
  const stream = await openStream(session, await session.open("/"));
  assert.deepEqual(
    (await batch(session, stream, 5)).map(({ name }) => name),
    ["a\ufffdb"],
  );
});

test("a directory removed or moved while it is open goes on working by its id", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.mkdirSync(target.at("one/two"), { recursive: true });
  fs.mkdirSync(target.at("other"));
  fs.writeFileSync(target.at("one/two/file"), "text");
  const openOptions = { read: true, write: false, append: false, truncate: false, create: false, createNew: false };
  const relativeFd = await session.open("/one/two");
  fs.renameSync(target.at("one/two"), target.at("other/three"));
  for (const path of ["file", "../three/file", "../../other/three/file"]) {
    const { fd } = await session.ok("open", { kind: "openRelative", value: { relativeFd, path, openOptions } });
    assert.equal(await session.readText(fd), "text");
  }
  fs.rmSync(target.at("other/three"), { recursive: true });
  assert.equal(await session.errno("open", { kind: "openRelative", value: { relativeFd, path: "file", openOptions } }), 2);
  assert.equal(await session.errno("open", { kind: "openRelative", value: { relativeFd, path: "../three", openOptions } }), 2);
  assert.deepEqual(await batch(session, await openStream(session, relativeFd), 5), []);
});

test("files are no directories, directories no files, streams neither, and unknown ids nothing", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "");
  const file = await session.open("/file");
  const directory = await session.open("/");
  const stream = await openStream(session, directory);
  const openOptions = { read: true, write: false, append: false, truncate: false, create: false, createNew: false };
  const huge = 2n ** 64n - 1n;
  assert.deepEqual([file, directory, stream], [0, 1, 2]);
  const asDirectory = (id: U64) => [
    session.error("openDir", { kind: "fdOpenDir", value: { remoteFd: id } }),
    session.error("getDEnts64", { kind: "getDEnts64", value: { remoteFd: id, bufferSize: 100 } }),
    session.error("open", { kind: "openRelative", value: { relativeFd: id, path: "x", openOptions } }),
    session.error("makeDir", { kind: "makeDirAt", value: { dirfd: id, pathname: "x", mode: 0 } }),
    session.error("unlink", { kind: "unlinkAt", value: { dirfd: id, pathname: "x", flags: 0 } }),
    session.error("xstat", { kind: "xstat", value: { path: "x", fd: id, followSymlink: true } }),
  ];
  const asFile = (id: U64) => [
    session.error("read", { kind: "read", value: { remoteFd: id, bufferSize: 1 } }),
    session.error("readLimited", { kind: "readLimited", value: { remoteFd: id, bufferSize: 1, startFrom: 0 } }),
    session.error("write", { kind: "write", value: { fd: id, writeBytes: Buffer.from("x") } }),
    session.error("writeLimited", { kind: "writeLimited", value: { remoteFd: id, startFrom: 0, writeBytes: Buffer.from("x") } }),
    session.error("seek", { kind: "seek", value: { fd: id, seekFrom: { kind: "start", value: 0 } } }),
    session.error("ftruncate", { kind: "ftruncate", value: { fd: id, length: 0 } }),
    session.error("futimens", { kind: "futimens", value: { fd: id, times: null } }),
    session.error("fchown", { kind: "fchown", value: { fd: id, owner: 0, group: 0 } }),
    session.error("fchmod", { kind: "fchmod", value: { fd: id, mode: 0 } }),
  ];
  const asStream = (id: U64) => [
    session.error("readDir", { kind: "readDir", value: { remoteFd: id } }),
    session.error("readDirBatch", { kind: "readDirBatch", value: { remoteFd: id, amount: 1 } }),
  ];
  const asEither = (id: U64) => [
    session.error("xstatFs", { kind: "xstatFs", value: { fd: id } }),
    session.error("xstatFsV2", { kind: "xstatFsV2", value: { fd: id } }),
    session.error("xstat", { kind: "xstat", value: { path: null, fd: id, followSymlink: true } }),
  ];
  for (const error of await Promise.all(asDirectory(file))) assert.deepEqual(error, { kind: "notDirectory", value: file });
  for (const error of await Promise.all(asFile(directory))) assert.deepEqual(error, { kind: "notFile", value: directory });
  for (const id of [stream, 99, huge]) {
    const errors = await Promise.all([...asDirectory(id), ...asFile(id), ...asEither(id)]);
    for (const error of errors) assert.deepEqual(error, { kind: "notFound", value: id });
  }
  for (const id of [file, directory, 99, huge]) {
    for (const error of await Promise.all(asStream(id))) assert.deepEqual(error, { kind: "notFound", value: id });
  }
  await session.close(99);
  await session.close(stream);
  assert.equal(await session.files.handle({ kind: "closeDir", value: { remoteFd: file } }), undefined);
  assert.equal(target.openFds.value, 3);
});
