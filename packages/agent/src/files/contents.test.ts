import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import type { OpenOptionsInternal, SeekFromInternal, U64 } from "@understudy/protocol";
import { ThreadPool } from "../task/threadPool.ts";
import { seek } from "./contents.ts";
import { noOptions, readOnly, TemporaryTarget } from "./temporaryTargetFixture.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_TRUNC, O_CREAT, O_EXCL } = fs.constants;

/** Options with the flags of open(2) that they stand for; null where they are refused before any system call. */
const optionsAndFlags: readonly (readonly [string, number | null])[] = [
  ["", null],
  ["truncate", null],
  ["create", null],
  ["createNew", null],
  ["read create", null],
  ["read truncate", null],
  ["read createNew", null],
  ["append truncate", null],
  ["write append truncate", null],
  ["append truncate create", null],
  ["read", O_RDONLY],
  ["write", O_WRONLY],
  ["read write", O_RDWR],
  ["append", O_WRONLY | O_APPEND],
  ["write append", O_WRONLY | O_APPEND],
  ["read append", O_RDWR | O_APPEND],
  ["write truncate", O_WRONLY | O_TRUNC],
  ["write create", O_WRONLY | O_CREAT],
  ["read write create truncate", O_RDWR | O_CREAT | O_TRUNC],
  ["append create", O_WRONLY | O_APPEND | O_CREAT],
  ["write createNew", O_WRONLY | O_CREAT | O_EXCL],
  ["write createNew truncate create", O_WRONLY | O_CREAT | O_EXCL],
  ["append truncate createNew", O_WRONLY | O_APPEND | O_CREAT | O_EXCL],
];

function optionsOf(words: string): OpenOptionsInternal {
  return {
    ...noOptions,
    ...Object.fromEntries(
      words
        .split(" ")
        .filter(Boolean)
        .map((word) => [word, true]),
    ),
  };
}

function kernelErrno(path: string, flags: number): number | null {
  try {
    fs.closeSync(fs.openSync(path, flags));
    return null;
  } catch (error) {
    return -Number((error as NodeJS.ErrnoException).errno);
  }
}

for (const [words, flags] of optionsAndFlags) {
  test(`open with "${words}" does to files, links and directories what the kernel does`, async () => {
    using expected = new TemporaryTarget();
    using actual = new TemporaryTarget();
    await using session = actual.session();
    for (const target of [expected, actual]) {
      fs.writeFileSync(target.at("file"), "some text");
      fs.mkdirSync(target.at("directory"));
      fs.symlinkSync("file", target.at("link"));
      fs.symlinkSync("missing2", target.at("dangling"));
      fs.symlinkSync("loop", target.at("loop"));
    }
    for (const name of ["file", "missing", "link", "dangling", "loop", "directory", "file/x", "directory/", "nowhere/x"]) {
      const value = { path: `/${name}`, openOptions: optionsOf(words) };
      const result = await session.result("open", { kind: "open", value });
      if (flags === null) {
        const refused = { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "invalidInput" } } };
        assert.deepEqual(result, { kind: "err", value: refused });
        continue;
      }
      const errno = result.kind === "err" && result.value.kind === "remoteIO" ? result.value.value.rawOsError : null;
      assert.equal(errno, kernelErrno(`${expected.root}/${name}`, flags), name);
      if (result.kind === "ok") await session.close(result.value.fd);
    }
    assert.deepEqual(fs.readdirSync(actual.root), fs.readdirSync(expected.root));
    assert.equal(fs.readFileSync(actual.at("file"), "utf8"), fs.readFileSync(expected.at("file"), "utf8"));
    for (const name of fs.readdirSync(actual.root)) {
      assert.equal(fs.lstatSync(actual.at(name)).mode, fs.lstatSync(expected.at(name)).mode, name);
    }
  });
}

test("the position moves with reads, writes and seeks, and not with limited ones", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const fd = await session.open("/file", { read: true, write: true, create: true });
  const seek = async (seekFrom: SeekFromInternal): Promise<U64> =>
    (await session.ok("seek", { kind: "seek", value: { fd, seekFrom } })).resultOffset;

  await session.write(fd, "0123456789");
  assert.equal(await session.readText(fd), "");
  assert.equal(await seek({ kind: "start", value: 2 }), 2);
  assert.equal(await session.readText(fd, 3), "234");
  assert.equal(await seek({ kind: "current", value: 0 }), 5);
  const limited = await session.ok("readLimited", { kind: "readLimited", value: { remoteFd: fd, bufferSize: 4, startFrom: 8 } });
  assert.equal(Buffer.from(limited.bytes).toString(), "89");
  const writeBytes = Buffer.from("ab");
  await session.ok("writeLimited", { kind: "writeLimited", value: { remoteFd: fd, startFrom: 0, writeBytes } });
  assert.equal(await seek({ kind: "current", value: -1 }), 4);
  assert.equal(await seek({ kind: "end", value: -2 }), 8);
  assert.equal(await session.readText(fd), "89");
  assert.equal(await seek({ kind: "end", value: 5 }), 15);
  await session.write(fd, "x");
  assert.equal(fs.readFileSync(target.at("file"), "utf8"), "ab23456789\0\0\0\0\0x");
});

test("seeking tells where a device is, not where it was asked to go", async () => {
  const fd = fs.openSync("/dev/null", O_RDONLY);
  try {
    const file = { fd, type: "other", device: 0, fileSystem: "disk", isReadOnly: true, instantReading: "never" } as const;
    assert.equal(await seek(file, { kind: "start", value: 5 }, new ThreadPool().share()), 0);
  } finally {
    fs.closeSync(fd);
  }
});

test("seeking to a negative or impossible position is EINVAL and moves nothing", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "0123456789");
  const fd = await session.open("/file");
  const seeks: SeekFromInternal[] = [
    { kind: "current", value: -1 },
    { kind: "end", value: -11 },
    { kind: "start", value: 2n ** 63n },
    { kind: "start", value: 2n ** 64n - 1n },
    { kind: "end", value: -(2n ** 63n) },
  ];
  for (const seekFrom of seeks) assert.equal(await session.errno("seek", { kind: "seek", value: { fd, seekFrom } }), 22);
  assert.equal(await session.readText(fd, 2), "01");
});

test("appending writes at the end wherever the position is, also limited writes", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "start ");
  const fd = await session.open("/file", { append: true, read: true });
  await session.ok("seek", { kind: "seek", value: { fd, seekFrom: { kind: "start", value: 0 } } });
  await session.write(fd, "one ");
  const writeBytes = Buffer.from("two");
  await session.ok("writeLimited", { kind: "writeLimited", value: { remoteFd: fd, startFrom: 0, writeBytes } });
  assert.equal(fs.readFileSync(target.at("file"), "utf8"), "start one two");
});

test("a read answers with at most maxReadBytes, whatever the client asks for", async () => {
  using target = new TemporaryTarget();
  await using session = target.session({ limits: { maxOpenFiles: 8, maxReadBytes: 100_000 } });
  fs.writeFileSync(target.at("file"), "x".repeat(250_000));
  const fd = await session.open("/file");
  const huge = 2n ** 64n - 1n;
  const lengths: number[] = [];
  for (let text = await session.readText(fd, huge); text !== ""; text = await session.readText(fd, huge)) lengths.push(text.length);
  assert.deepEqual(lengths, [100_000, 100_000, 50_000]);
  for (const [startFrom, length] of [
    [249_990, 10],
    [0, 100_000],
    [250_000, 0],
    [2 ** 40, 0],
  ] as const) {
    const value = { remoteFd: fd, bufferSize: huge, startFrom };
    assert.equal((await session.ok("readLimited", { kind: "readLimited", value })).readAmount, length);
  }
  for (const startFrom of [2n ** 63n - 1n, 2n ** 63n, huge]) {
    const value = { remoteFd: fd, bufferSize: 10, startFrom };
    assert.equal(await session.errno("readLimited", { kind: "readLimited", value }), 22);
  }
});

test("a file that grows after it was read to its end gives the new bytes", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("log"), "one\n");
  const fd = await session.open("/log");
  assert.equal(await session.readText(fd), "one\n");
  assert.equal(await session.readText(fd), "");
  fs.appendFileSync(target.at("log"), "two\n");
  assert.equal(await session.readText(fd), "two\n");
});

test("files without a size are read to their end", async () => {
  using target = new TemporaryTarget("/");
  await using session = target.session();
  const fd = await session.open("/proc/meminfo");
  assert.match(await session.readText(fd, 2n ** 40n), /^MemTotal/);
  assert.equal(await session.readText(fd), "");
});

test("reading or writing nothing gives nothing", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "text");
  const fd = await session.open("/file", { read: true, write: true });
  assert.equal(await session.readText(fd, 0), "");
  await session.write(fd, "");
  assert.equal(await session.readText(fd), "text");
});

test("reading what was opened for writing, and the reverse, is EBADF", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const writer = await session.open("/file", { write: true, create: true });
  const reader = await session.open("/file");
  assert.equal(await session.errno("read", { kind: "read", value: { remoteFd: writer, bufferSize: 5 } }), 9);
  assert.equal(await session.errno("write", { kind: "write", value: { fd: reader, writeBytes: Buffer.from("x") } }), 9);
});

test("truncation sets the length; negative ones are EINVAL and those beyond any disk EFBIG", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "0123456789");
  const fd = await session.open("/file", { write: true });
  await session.ok("ftruncate", { kind: "ftruncate", value: { fd, length: 4 } });
  assert.equal(fs.readFileSync(target.at("file"), "utf8"), "0123");
  await session.ok("ftruncate", { kind: "ftruncate", value: { fd, length: 6 } });
  assert.equal(fs.readFileSync(target.at("file"), "utf8"), "0123\0\0");
  assert.equal(await session.errno("ftruncate", { kind: "ftruncate", value: { fd, length: -1 } }), 22);
  assert.equal(await session.errno("ftruncate", { kind: "ftruncate", value: { fd, length: 2n ** 63n - 1n } }), 27);
  const reader = await session.open("/file", readOnly);
  assert.equal(await session.errno("ftruncate", { kind: "ftruncate", value: { fd: reader, length: 0 } }), 22);
});

test("limited writes at positions that no file has are refused instead of written elsewhere", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  const fd = await session.open("/file", { write: true, create: true });
  const writeBytes = Buffer.from("x");
  const errnos = [2n ** 60n, 2n ** 63n].map(async (startFrom) => {
    return await session.errno("writeLimited", { kind: "writeLimited", value: { remoteFd: fd, startFrom, writeBytes } });
  });
  assert.deepEqual(await Promise.all(errnos), [27, 22]);
  assert.equal(fs.statSync(target.at("file")).size, 0);
});
