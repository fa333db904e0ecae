import assert from "node:assert/strict";
import { constants, promises as fs, closeSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  DT_DIR,
  DT_LNK,
  DT_REG,
  EAGAIN,
  EEXIST,
  EINVAL,
  ELOOP,
  ENOENT,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  RENAME_NOREPLACE,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_SYMLINKS,
  SystemCallError,
  faccessat2,
  fstatfs,
  futimens,
  getdents64,
  mkdirat,
  openat2,
  openat2Sync,
  readlinkat,
  renameat2,
  statfs,
  unlinkat,
} from "./index.ts";

/** A new directory with a descriptor of it, both gone at the end of the test. */
async function temporaryDirectory(): Promise<AsyncDisposable & { path: string; fd: number }> {
  const path = await fs.mkdtemp(join(tmpdir(), "native-"));
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    path,
    fd,
    async [Symbol.asyncDispose]() {
      closeSync(fd);
      await fs.rm(path, { recursive: true });
    },
  };
}

/** Closes a descriptor at the end of the test. */
function closing(fd: number): Disposable & { fd: number } {
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

const fails = (errno: number) => (error: unknown) => error instanceof SystemCallError && error.errno === errno;

test("openat2 creates and opens a file inside the directory", async () => {
  await using directory = await temporaryDirectory();
  using made = closing(await openat2(directory.fd, "new", O_WRONLY | O_CREAT, 0o640, RESOLVE_IN_ROOT));
  await fs.writeFile(join(directory.path, "new"), "text");
  assert.equal((await fs.stat(join(directory.path, "new"))).mode & 0o700, 0o600);
  using opened = closing(openat2Sync(directory.fd, "/new", O_RDONLY, 0, RESOLVE_IN_ROOT));
  assert.equal(await fs.readFile(`/proc/self/fd/${opened.fd}`, "utf8"), "text");
  assert.ok(made.fd > 2);
  // Read by number: closed on exec, so that no child process inherits it.
  const info = await fs.readFile(`/proc/self/fdinfo/${opened.fd}`, "utf8");
  assert.ok(Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? "", 8) & 0o2000000);
});

test("openat2 with RESOLVE_IN_ROOT keeps absolute links and dots inside", async () => {
  await using directory = await temporaryDirectory();
  await fs.writeFile(join(directory.path, "passwd"), "inside");
  await fs.symlink("/passwd", join(directory.path, "absolute"));
  for (const path of ["absolute", "../../../passwd", "/../passwd"]) {
    using file = closing(await openat2(directory.fd, path, O_RDONLY, 0, RESOLVE_IN_ROOT));
    assert.equal(await fs.readFile(`/proc/self/fd/${file.fd}`, "utf8"), "inside");
  }
});

test("failed calls carry errno, name and call, in both variants", async () => {
  await using directory = await temporaryDirectory();
  await fs.symlink("nowhere", join(directory.path, "link"));
  assert.throws(() => openat2Sync(directory.fd, "missing", O_RDONLY, 0, 0), {
    name: "SystemCallError",
    message: "openat2: ENOENT",
    errno: ENOENT,
    code: "ENOENT",
    syscall: "openat2",
  });
  await assert.rejects(openat2(directory.fd, "missing", O_RDONLY, 0, 0), fails(ENOENT));
  await assert.rejects(openat2(directory.fd, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), fails(ELOOP));
  await assert.rejects(openat2(directory.fd, "a\0b", O_RDONLY, 0, 0), fails(EINVAL));
});

test("each of many calls at once gets its own errno", async () => {
  await using directory = await temporaryDirectory();
  await fs.writeFile(join(directory.path, "file"), "");
  const calls = Array.from({ length: 1000 }, async (_, index) => {
    if (index % 3 === 0) return await openat2(directory.fd, "missing", O_RDONLY, 0, 0);
    if (index % 3 === 1) return await openat2(directory.fd, "file", O_RDONLY | O_DIRECTORY, 0, 0);
    return await openat2(directory.fd, "file", O_RDONLY, 0, 0);
  });
  for (const [index, outcome] of (await Promise.allSettled(calls)).entries()) {
    if (outcome.status === "fulfilled") closeSync(outcome.value);
    const code = outcome.status === "rejected" ? (outcome.reason as SystemCallError).code : "opened";
    assert.equal(code, ["ENOENT", "ENOTDIR", "opened"][index % 3]);
  }
});

test("openat2 with RESOLVE_CACHED opens what is cached and never waits for the rest", async () => {
  await using directory = await temporaryDirectory();
  await fs.writeFile(join(directory.path, "known"), "");
  using known = closing(openat2Sync(directory.fd, "known", O_RDONLY, 0, RESOLVE_CACHED));
  assert.ok(known.fd > 2);
  assert.throws(() => openat2Sync(directory.fd, "new", O_WRONLY | O_CREAT, 0o600, RESOLVE_CACHED), fails(EAGAIN));
});

test("getdents64 returns all entries over several reads, with kinds and undecodable names", async () => {
  await using directory = await temporaryDirectory();
  const names = Array.from({ length: 300 }, (_, index) => `file-${index}`);
  await Promise.all(names.map(async (name) => await fs.writeFile(join(directory.path, name), "")));
  await fs.mkdir(join(directory.path, "directory"));
  await fs.symlink("x", join(directory.path, "link"));
  await fs.writeFile(Buffer.concat([Buffer.from(`${directory.path}/`), Buffer.from([0x66, 0xff])]), "");
  const buffer = Buffer.alloc(4096);
  const kinds = new Map<string, number>();
  let reads = 0;
  for (;;) {
    const entries = await getdents64(directory.fd, buffer);
    if (entries.length === 0) break;
    reads += 1;
    for (const entry of entries) kinds.set(entry.name, entry.type);
    const file = entries.find((entry) => entry.name === "file-7");
    if (file) assert.equal(file.inode, (await fs.stat(join(directory.path, "file-7"))).ino);
  }
  assert.ok(reads > 1);
  assert.deepEqual([...kinds.keys()].toSorted(), [".", "..", ...names, "directory", "link", "f\ufffd"].toSorted());
  assert.deepEqual([kinds.get("."), kinds.get("file-0"), kinds.get("link")], [DT_DIR, DT_REG, DT_LNK]);
  await assert.rejects(getdents64(directory.fd + 1000, buffer), { code: "EBADF" });
});

test("statfs and fstatfs agree with each other and with node:fs", async () => {
  await using directory = await temporaryDirectory();
  const stats = await statfs(directory.path);
  const expected = await fs.statfs(directory.path, { bigint: true });
  assert.equal(stats.type, expected.type);
  assert.equal(stats.blockSize, expected.bsize);
  assert.equal(stats.blocks, expected.blocks);
  assert.equal(stats.files, expected.files);
  assert.ok(stats.nameLength >= 143n && stats.fragmentSize > 0n && stats.flags > 0n);
  using path = closing(openat2Sync(directory.fd, ".", O_PATH, 0, 0));
  const { fsid, nameLength, flags } = await fstatfs(path.fd);
  assert.deepEqual({ fsid, nameLength, flags }, { fsid: stats.fsid, nameLength: stats.nameLength, flags: stats.flags });
  await assert.rejects(statfs(join(directory.path, "missing")), fails(ENOENT));
});

test("faccessat2 answers for an O_PATH descriptor", async () => {
  await using directory = await temporaryDirectory();
  await fs.writeFile(join(directory.path, "file"), "", { mode: 0o600 });
  using file = closing(openat2Sync(directory.fd, "file", O_PATH, 0, 0));
  const flags = AT_EMPTY_PATH | AT_EACCESS;
  await faccessat2(file.fd, "", constants.R_OK | constants.W_OK, flags);
  // Not even root may execute a file that nobody may.
  await assert.rejects(faccessat2(file.fd, "", constants.X_OK, flags), { code: "EACCES" });
  await assert.rejects(faccessat2(directory.fd, "missing", constants.F_OK, AT_EACCESS), fails(ENOENT));
});

test("readlinkat reads a link by name and by its own descriptor", async () => {
  await using directory = await temporaryDirectory();
  await fs.symlink("some/where", join(directory.path, "link"));
  assert.equal((await readlinkat(directory.fd, "link")).toString(), "some/where");
  using link = closing(openat2Sync(directory.fd, "link", O_PATH | O_NOFOLLOW, 0, 0));
  assert.equal((await readlinkat(link.fd, "")).toString(), "some/where");
  await assert.rejects(readlinkat(directory.fd, "."), fails(EINVAL));
});

test("mkdirat, renameat2 and unlinkat change names in a directory", async () => {
  await using directory = await temporaryDirectory();
  await mkdirat(directory.fd, "a", 0o700);
  await mkdirat(directory.fd, Buffer.from("b"), 0o700);
  await assert.rejects(mkdirat(directory.fd, "a", 0o700), fails(EEXIST));
  await assert.rejects(renameat2(directory.fd, "a", directory.fd, "b", RENAME_NOREPLACE), fails(EEXIST));
  await renameat2(directory.fd, "a", directory.fd, "c", 0);
  await unlinkat(directory.fd, "b", AT_REMOVEDIR);
  assert.deepEqual(await fs.readdir(directory.path), ["c"]);
  await assert.rejects(unlinkat(directory.fd, "c", 0), { code: "EISDIR" });
});

test("futimens sets one time, leaves or renews the other", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "file");
  await using file = await fs.open(path, "w");
  await futimens(file.fd, { seconds: 1000, nanoseconds: 123_456_789 }, { seconds: -5n, nanoseconds: 0 });
  const given = await fs.stat(path, { bigint: true });
  assert.deepEqual([given.atimeNs, given.mtimeNs], [1_000_123_456_789n, -5_000_000_000n]);
  await futimens(file.fd, "omit", "now");
  const renewed = await fs.stat(path, { bigint: true });
  assert.equal(renewed.atimeNs, given.atimeNs);
  assert.ok(renewed.mtimeMs > Date.now() - 10_000);
  await assert.rejects(futimens(file.fd, "omit", { seconds: 0, nanoseconds: 1e9 }), fails(EINVAL));
});
