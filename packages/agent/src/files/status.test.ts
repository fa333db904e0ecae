import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import type { FileStatus } from "@understudy/native";
import type { MetadataInternal, Timespec } from "@understudy/protocol";
import { metadata } from "./status.ts";
import { readOnly, type SessionUnderTest, TemporaryTarget } from "./temporaryTargetFixture.ts";

function nodeMetadata(stats: fs.BigIntStats, time: (ns: bigint) => bigint): Record<string, bigint> {
  return {
    deviceId: stats.dev,
    inode: stats.ino,
    mode: stats.mode,
    hardLinks: stats.nlink,
    userId: stats.uid,
    groupId: stats.gid,
    rdeviceId: stats.rdev,
    size: stats.size,
    accessTime: time(stats.atimeNs),
    modificationTime: time(stats.mtimeNs),
    creationTime: time(stats.ctimeNs),
    blockSize: stats.blksize,
    blocks: stats.blocks,
  };
}

async function stat(session: SessionUnderTest, path: string, followSymlink = true): Promise<Record<string, bigint>> {
  const response = await session.ok("xstat", { kind: "xstat", value: { path, fd: null, followSymlink } });
  return asBigints(response.metadata);
}

function asBigints(from: MetadataInternal): Record<string, bigint> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, BigInt(value)]));
}

test("status is that of the kernel, for links as for what they lead to, with nanoseconds within the second", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "text");
  fs.symlinkSync("/file", target.at("link"));
  fs.mkdirSync(target.at("d"));
  const within = (ns: bigint): bigint => ns % 1_000_000_000n;
  const file = fs.statSync(target.at("file"), { bigint: true });
  assert.deepEqual(await stat(session, "/file"), nodeMetadata(file, within));
  assert.deepEqual(await stat(session, "/link"), nodeMetadata(file, within));
  assert.deepEqual(await stat(session, "/link", false), nodeMetadata(fs.lstatSync(target.at("link"), { bigint: true }), within));
  const directory = await session.open("/d");
  const byFd = await session.ok("xstat", { kind: "xstat", value: { path: null, fd: directory, followSymlink: false } });
  assert.deepEqual(asBigints(byFd.metadata), nodeMetadata(fs.statSync(target.at("d"), { bigint: true }), within));
  const relative = await session.ok("xstat", { kind: "xstat", value: { path: "../link", fd: directory, followSymlink: true } });
  assert.deepEqual(asBigints(relative.metadata), nodeMetadata(file, within));
});

test("status of devices and of files of /proc is that of the kernel", async () => {
  using target = new TemporaryTarget("/");
  await using session = target.session();
  for (const path of ["/dev/null", "/dev/zero", "/proc/meminfo", "/sys/kernel", "/", "/proc"]) {
    const within = (ns: bigint): bigint => ns % 1_000_000_000n;
    const { accessTime: _, ...expected } = nodeMetadata(fs.statSync(path, { bigint: true }), within);
    const { accessTime: __, ...actual } = await stat(session, path);
    assert.deepEqual(actual, expected, path);
  }
});

test("full times are nanoseconds since 1970, when asked for", async () => {
  using target = new TemporaryTarget();
  await using session = target.session({ fullTimes: true });
  fs.writeFileSync(target.at("file"), "");
  fs.utimesSync(target.at("file"), 1_795_480_083.5, 3.25);
  const { accessTime, modificationTime } = await stat(session, "/file");
  assert.equal(accessTime, 1_795_480_083_500_000_000n);
  assert.equal(modificationTime, 3_250_000_000n);
});

test("numbers stay exact above 2^53", () => {
  const moment = { seconds: 0, nanoseconds: 0 };
  const big = 2n ** 64n - 1n;
  const status: FileStatus = {
    device: 1,
    inode: big,
    mode: 0,
    links: 1,
    user: 0,
    group: 0,
    specialDevice: 0,
    size: 2n ** 60n,
    accessed: moment,
    modified: moment,
    changed: moment,
    blockSize: 4096,
    blocks: big,
    mount: 0,
  };
  const { inode, size, blocks } = metadata(status, true);
  assert.deepEqual([inode, size, blocks], [big, 2n ** 60n, big]);
});

test("paths that are relative, empty or no paths are answered and do not end anything", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "");
  const directory = await session.open("/");
  for (const path of ["", "file", "./file"]) {
    assert.equal(await session.errno("open", { kind: "open", value: { path, openOptions: readOnly } }), 2);
    assert.equal(await session.errno("access", { kind: "access", value: { pathname: path, mode: 0 } }), 2);
  }
  const stripPrefix = { kind: "stripPrefix", value: "prefix not found" };
  assert.deepEqual(await session.error("readLink", { kind: "readLink", value: { path: "file" } }), stripPrefix);
  assert.equal(await session.errno("readLink", { kind: "readLink", value: { path: "" } }), 2);
  assert.equal(await session.errno("xstat", { kind: "xstat", value: { path: "", fd: null, followSymlink: true } }), 2);
  // Relative to a directory it means that directory: the wire has no AT_EMPTY_PATH.
  const { metadata } = await session.ok("xstat", { kind: "xstat", value: { path: "", fd: directory, followSymlink: true } });
  assert.equal(metadata.inode, fs.statSync(target.root).ino);

  const refused = { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "invalidInput" } } };
  const zero = "/fi\0le";
  const answers = [
    session.error("xstat", { kind: "xstat", value: { path: "file", fd: null, followSymlink: true } }),
    session.error("xstat", { kind: "xstat", value: { path: null, fd: null, followSymlink: true } }),
    session.error("xstat", { kind: "xstat", value: { path: zero, fd: null, followSymlink: true } }),
    session.error("open", { kind: "open", value: { path: zero, openOptions: readOnly } }),
    session.error("open", { kind: "openRelative", value: { relativeFd: directory, path: "\0", openOptions: readOnly } }),
    session.error("access", { kind: "access", value: { pathname: zero, mode: 0 } }),
    session.error("unlink", { kind: "unlink", value: { pathname: zero } }),
    session.error("makeDir", { kind: "makeDir", value: { pathname: `${zero}/x`, mode: 0 } }),
    session.error("rename", { kind: "rename", value: { oldPath: "/file", newPath: zero } }),
    session.error("readLink", { kind: "readLink", value: { path: zero } }),
    session.error("xstatFs", { kind: "statFs", value: { path: zero } }),
  ];
  for (const error of await Promise.all(answers)) assert.deepEqual(error, refused);
});

test("the text of a link is given as it is, of nothing else", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.mkdirSync(target.at("d"));
  fs.symlinkSync("/d", target.at("linked"));
  fs.symlinkSync("/somewhere/../else", target.at("d/link"));
  for (const path of ["/d/link", "/linked/link", "/linked/../d/link"]) {
    assert.equal((await session.ok("readLink", { kind: "readLink", value: { path } })).path, "/somewhere/../else");
  }
  assert.equal(await session.errno("readLink", { kind: "readLink", value: { path: "/d" } }), 22);
  assert.equal(await session.errno("readLink", { kind: "readLink", value: { path: "/linked/" } }), 22);
  assert.equal(await session.errno("readLink", { kind: "readLink", value: { path: "/none" } }), 2);
});

test("access follows links and asks for the bits of the mode, other bits do not count", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "", { mode: 0o644 });
  fs.symlinkSync("/file", target.at("link"));
  const access = (pathname: string, mode: number) => session.result("access", { kind: "access", value: { pathname, mode } });
  for (const mode of [0, 2, 4, 6, 0xf8]) assert.deepEqual(await access("/link", mode), { kind: "ok", value: {} });
  // Nobody may execute it, not even root.
  assert.equal(await session.errno("access", { kind: "access", value: { pathname: "/link", mode: 1 } }), 13);
  assert.equal(await session.errno("access", { kind: "access", value: { pathname: "/none", mode: 0 } }), 2);
  assert.equal(await session.errno("access", { kind: "access", value: { pathname: "/file/", mode: 0 } }), 20);
});

test("facts about file systems are those of the kernel, by path and by descriptor", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "");
  const [file, directory] = [await session.open("/file"), await session.open("/")];
  const expected = fs.statfsSync(target.root);
  const answers = [
    await session.ok("xstatFs", { kind: "statFs", value: { path: "/file" } }),
    await session.ok("xstatFs", { kind: "statFs", value: { path: "file" } }),
    await session.ok("xstatFs", { kind: "xstatFs", value: { fd: file } }),
    await session.ok("xstatFs", { kind: "xstatFs", value: { fd: directory } }),
    await session.ok("xstatFsV2", { kind: "statFsV2", value: { path: "/" } }),
    await session.ok("xstatFsV2", { kind: "xstatFsV2", value: { fd: directory } }),
  ];
  for (const { metadata: facts } of answers) {
    assert.equal(facts.filesystemType, expected.type);
    assert.equal(facts.blockSize, expected.bsize);
    assert.equal(facts.blocks, expected.blocks);
    assert.equal(facts.files, expected.files);
    if ("nameLen" in facts) assert.equal(facts.nameLen, 255);
  }
});

test("times, mode and owner are set by descriptor; omitted ones stay", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fs.writeFileSync(target.at("file"), "");
  const fd = await session.open("/file", { write: true });
  const times: [Timespec, Timespec] = [
    { tvSec: -1000, tvNsec: 5 },
    { tvSec: -7, tvNsec: 0x3ffffffe },
  ];
  const before = fs.statSync(target.at("file"), { bigint: true });
  await session.ok("futimens", { kind: "futimens", value: { fd, times } });
  const after = fs.statSync(target.at("file"), { bigint: true });
  assert.equal(after.atimeNs, -999_999_999_995n);
  assert.equal(after.mtimeNs, before.mtimeNs);
  const invalid: [Timespec, Timespec] = [times[0], { tvSec: 0, tvNsec: 1_000_000_000 }];
  assert.equal(await session.errno("futimens", { kind: "futimens", value: { fd, times: invalid } }), 22);
  const enormous = [invalid[1], { tvSec: 1, tvNsec: 2n ** 63n - 1n }] as const;
  assert.equal(await session.errno("futimens", { kind: "futimens", value: { fd, times: enormous } }), 22);
  await session.ok("futimens", { kind: "futimens", value: { fd, times: null } });
  assert.ok(fs.statSync(target.at("file")).atimeMs > 1e9);

  await session.ok("fchmod", { kind: "fchmod", value: { fd, mode: 0o100640 } });
  assert.equal(fs.statSync(target.at("file")).mode, 0o100640);
  const keep = 0xffff_ffff;
  await session.ok("fchown", { kind: "fchown", value: { fd, owner: keep, group: keep } });
  assert.equal(fs.statSync(target.at("file")).uid, Number(before.uid));
  if (process.getuid?.() !== 0) return;
  await session.ok("fchown", { kind: "fchown", value: { fd, owner: 1234, group: keep } });
  const { uid, gid } = fs.statSync(target.at("file"));
  assert.deepEqual([uid, gid], [1234, Number(before.gid)]);
});
