import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { FileRequest, FileResponse } from "@understudy/protocol";
import type { Walker } from "./targetPaths.ts";
import { readOnly, type SessionUnderTest, TemporaryTarget } from "./temporaryTargetFixture.ts";

/** Paths that would reach the secret if any link or ".." were followed outside the root. `outside` is its directory. */
function leadingOut(outside: string): readonly string[] {
  const up = "../".repeat(12);
  return [
    `${outside}/secret`,
    `/../outside/secret`,
    `/${up}${outside}/secret`,
    `/sub/../../outside/secret`,
    `/sub/deep/../../../outside/secret`,
    `/./sub/.././../outside/secret`,
    `/absolute`,
    `/absolute/`,
    `/absoluteDirectory/secret`,
    `/relative`,
    `/relativeDirectory/secret`,
    `/relativeDirectory/../outside/secret`,
    `/sub/climbing`,
    `/sub/deep/climbing`,
    `/linkToLink`,
    `/linkToLinkToLink`,
    `/linkedSub/climbing`,
    `/linkedSub/../absolute`,
    `/rootLink/../outside/secret`,
    `/upLink/outside/secret`,
    `/upLink/../outside/secret`,
    `/procLink/secret`,
    `//..//..//${up}${outside}/secret`,
    `/sub/deep/../deep/../../../outside/secret`,
    `/sub/./deep/./climbing/`,
    `/./absolute/.`,
    `/absolute/..`,
    `/absolute/../outside/secret`,
    `/absoluteDirectory`,
    `/absoluteDirectory/`,
    `/absoluteDirectory/.`,
    `/absoluteDirectory/..`,
    `/absoluteDirectory/../outside/secret`,
    `/absoluteDirectory/./secret`,
    `/absoluteDirectory//secret`,
    `/relativeDirectory`,
    `/relativeDirectory/`,
    `/relativeDirectory/./secret`,
    `/relativeDirectory/../../outside/secret`,
    `/sub/upAbove/outside/secret`,
    `/sub/upAbove/../outside/secret`,
    `/sub/deep/upAbove/outside/secret`,
    `/sub/deep/upAbove/upLink/outside/secret`,
    `/upLink/upLink/upLink/outside/secret`,
    `/upLink/sub/../../outside/secret`,
    `/upFar`,
    `/upFar/${outside.slice(1)}/secret`,
    `/rootLink${outside}/secret`,
    `/rootLink/rootLink/../../outside/secret`,
    `/rootLink/absoluteDirectory/secret`,
    `/dotLink/../outside/secret`,
    `/dotLink/dotLink/absoluteDirectory/secret`,
    `/slashes/secret`,
    `/mixed/secret`,
    `/linkToDirectoryLink/secret`,
    `/linkToDirectoryLink/../outside/secret`,
    `/linkToUp/outside/secret`,
    `/linkedSub/deep/climbing`,
    `/linkedSub/upAbove/outside/secret`,
    `/linkedDeep/climbing`,
    `/linkedDeep/../../../outside/secret`,
    `/linkToLinkToLink/`,
    `/linkToLinkToLink/..`,
    `/procLink`,
    `/loop/../outside/secret`,
  ];
}

function makeLinks(target: TemporaryTarget): void {
  fs.mkdirSync(target.at("sub/deep"), { recursive: true });
  const outside = `${target.base}/outside`;
  const links = {
    absolute: `${outside}/secret`,
    absoluteDirectory: outside,
    relative: "../outside/secret",
    relativeDirectory: "../outside",
    "sub/climbing": "../../outside/secret",
    "sub/deep/climbing": "../../../outside/secret",
    linkToLink: "absolute",
    linkToLinkToLink: "/linkToLink",
    linkedSub: "/sub",
    rootLink: "/",
    upLink: "..",
    upFar: "../".repeat(40),
    dotLink: ".",
    slashes: `//${outside}//`,
    mixed: `sub/../..//./outside/.`,
    "sub/upAbove": "../..",
    "sub/deep/upAbove": "../../..",
    linkToDirectoryLink: "absoluteDirectory",
    linkToUp: "upLink/upLink",
    linkedDeep: "linkedSub/deep",
    loop: "loop",
    procLink: `/proc/${process.pid}/cwd/${"../".repeat(12)}${outside}`,
  };
  for (const [name, text] of Object.entries(links)) fs.symlinkSync(text, target.at(name));
}

/** Each way of reaching a file by path; `directory` is the id of the open root, `sub` of a directory in it. */
function requests(path: string, directory: number, sub: number): readonly FileRequest[] {
  const relative = path.slice(1);
  const openOptions = readOnly;
  const creating = { ...openOptions, write: true, create: true };
  return [
    { kind: "open", value: { path, openOptions } },
    { kind: "open", value: { path, openOptions: { ...openOptions, write: true, truncate: true } } },
    { kind: "open", value: { path: `${path}.new`, openOptions: creating } },
    { kind: "openRelative", value: { relativeFd: directory, path: relative, openOptions } },
    { kind: "openRelative", value: { relativeFd: sub, path: `../${relative}`, openOptions } },
    { kind: "openRelative", value: { relativeFd: sub, path, openOptions } },
    { kind: "access", value: { pathname: path, mode: 4 } },
    { kind: "xstat", value: { path, fd: null, followSymlink: true } },
    { kind: "xstat", value: { path: relative, fd: directory, followSymlink: true } },
    { kind: "xstat", value: { path: `../${relative}`, fd: sub, followSymlink: true } },
    { kind: "statFs", value: { path } },
    { kind: "statFsV2", value: { path } },
    { kind: "readLink", value: { path: `${path}/.` } },
    { kind: "makeDir", value: { pathname: `${path}.directory`, mode: 0o777 } },
    { kind: "makeDirAt", value: { dirfd: sub, pathname: `../../${relative}.directory`, mode: 0o777 } },
    { kind: "removeDir", value: { pathname: path } },
    { kind: "rename", value: { oldPath: path, newPath: `${path}.moved` } },
    { kind: "unlinkAt", value: { dirfd: sub, pathname: `../../${relative}`, flags: 0 } },
    { kind: "unlink", value: { pathname: path } },
  ];
}

async function contentsOf(session: SessionUnderTest, response: FileResponse | undefined): Promise<string> {
  if (response?.kind !== "open" || response.value.kind === "err") return "";
  const { fd } = response.value.value;
  const read = await session.result("read", { kind: "read", value: { remoteFd: fd, bufferSize: 100 } });
  await session.close(fd);
  return read.kind === "ok" ? Buffer.from(read.value.bytes).toString() : "";
}

/** Who goes through the paths; whatever holds for one must hold for the other. */
const walkers: readonly Walker[] = ["kernel", "agent"];

/** What a request came to, without what differs from one file to the next. */
function outcomeOf(response: FileResponse | undefined): unknown {
  if (response === undefined || response.value.kind === "err") return response;
  return [response.kind, "ok"];
}

for (const [index, shown] of leadingOut("<outside>").entries()) {
  test(`no request gets out of the target's root by ${shown}, whoever walks`, async () => {
    const [byKernel, byAgent] = [await outcomesOf(index, "kernel"), await outcomesOf(index, "agent")];
    assert.deepEqual(byAgent, byKernel);
  });
}

/** Sends each request for one path to a fresh target and sees to it that none gets out. */
async function outcomesOf(index: number, walker: Walker): Promise<unknown[]> {
  using target = new TemporaryTarget();
  await using session = target.session({ walker });
  makeLinks(target);
  const directory = Number(await session.open("/"));
  const sub = Number(await session.open("/sub"));
  const path = leadingOut(`${target.base}/outside`)[index] ?? "";
  const outcomes: unknown[] = [];
  for (const request of requests(path, directory, sub)) {
    const response = await session.files.handle(request);
    outcomes.push([request.kind, outcomeOf(response)]);
    assert.doesNotMatch(await contentsOf(session, response), /secret/);
    assert.deepEqual(fs.readdirSync(`${target.base}/outside`), ["secret"], request.kind);
    assert.deepEqual(fs.readdirSync(target.base).toSorted(), ["outside", "root"], request.kind);
  }
  assert.equal(fs.readFileSync(target.secretPath, "utf8"), target.secret);
  return outcomes;
}

function otherThread(): number {
  const threads = fs.readdirSync("/proc/self/task").map(Number);
  return threads.find((id) => id !== process.pid) ?? process.pid;
}

/** A process whose root is a copy of this one's mounts, as a container's is, with nothing above it. */
const inOwnRoot = `
  set -e
  mount --make-rprivate /
  mount --rbind / "$1/copy"
  cd "$1/copy"
  pivot_root . ".$1/old"
  cd /
  umount -l "$1/old"
  echo ready
  exec sleep 30
`;

const mountsSkip = process.getuid?.() === 0 || process.env["CI"] !== undefined ? false : "needs root";

/** Renames in a thread of its own, as fast as it can, until the test has ended. */
const swapping = `
  const { workerData, parentPort } = require("node:worker_threads");
  const fs = require("node:fs");
  const { root, swaps } = workerData;
  parentPort.postMessage("started");
  const until = Date.now() + 5000;
  const flag = new Int32Array(workerData.stop);
  while (Atomics.load(flag, 0) === 0 && Date.now() < until) {
    for (const [one, other] of swaps.flatMap((swap) => [swap, swap])) {
      fs.renameSync(root + one, root + "/spare");
      fs.renameSync(root + other, root + one);
      fs.renameSync(root + "/spare", root + other);
    }
  }
`;

for (const walker of walkers) {
  test(`links and .. mean inside the root what they mean to the target, walked by the ${walker}`, async () => {
    using target = new TemporaryTarget();
    await using session = target.session({ walker });
    fs.mkdirSync(target.at("etc/alternatives"), { recursive: true });
    fs.mkdirSync(target.at("usr/bin"), { recursive: true });
    fs.mkdirSync(target.at("usr/lib"));
    fs.writeFileSync(target.at("usr/lib/java"), "java");
    fs.symlinkSync("/usr/lib/java", target.at("etc/alternatives/java"));
    fs.symlinkSync("/etc/alternatives/java", target.at("usr/bin/java"));
    fs.symlinkSync("/usr/lib", target.at("lib"));

    assert.equal(await session.readText(await session.open("/usr/bin/java")), "java");
    assert.equal(await session.readText(await session.open("/../../usr/bin/java")), "java");
    // The parent of a linked directory is that of the directory, not of the link.
    assert.equal(await session.readText(await session.open("/lib/../bin/java")), "java");

    const bin = await session.open("/usr/bin");
    for (const path of ["java", "../lib/java", "../../../../usr/lib/java", "/usr/lib/java", "./../../lib/java"]) {
      const value = { relativeFd: bin, path, openOptions: readOnly };
      const { fd } = await session.ok("open", { kind: "openRelative", value });
      assert.equal(await session.readText(fd), "java", path);
    }
  });

  test(`magic links are refused, also in the middle of a path, walked by the ${walker}`, async () => {
    using target = new TemporaryTarget("/");
    await using session = target.session({ walker });
    const pid = process.pid;
    const paths = [
      `/proc/${pid}/root/etc/passwd`,
      `/proc/${pid}/cwd/x`,
      `/proc/${pid}/fd/0`,
      `/proc/self/root/etc/passwd`,
      `/proc/self/root`,
      `/proc/self/exe`,
      `/proc/thread-self/root/etc/passwd`,
      `/dev/stdin`,
      `/dev/fd/0`,
    ];
    for (const path of paths) {
      assert.equal(await session.errno("open", { kind: "open", value: { path, openOptions: readOnly } }), 18, path);
    }
    const proc = await session.open("/proc");
    const value = { relativeFd: proc, path: "self/root/etc/passwd", openOptions: readOnly };
    assert.equal(await session.errno("open", { kind: "openRelative", value }), 18);
  });

  test(`without a target, / itself is opened, stated and listed, walked by the ${walker}`, async () => {
    using target = new TemporaryTarget("/");
    await using session = target.session({ walker });
    const root = await session.open("/");
    const { metadata } = await session.ok("xstat", { kind: "xstat", value: { path: "/", fd: null, followSymlink: true } });
    assert.equal(metadata.inode, fs.statSync("/").ino);
    const { entries } = await session.ok("getDEnts64", { kind: "getDEnts64", value: { remoteFd: root, bufferSize: 65536 } });
    assert.deepEqual(
      entries.slice(0, 2).map(({ name, inode }) => [name, inode]),
      [
        [".", metadata.inode],
        ["..", metadata.inode],
      ],
    );
    assert.ok(entries.some(({ name }) => name === "etc"));
  });

  test(`the contents of the agent's own process are refused, those of others are not, walked by the ${walker}`, async () => {
    using target = new TemporaryTarget("/");
    await using session = target.session({ walker });
    for (const id of ["self", "thread-self", String(process.pid), `${process.pid}/task/${process.pid}`, String(otherThread())]) {
      for (const file of ["mem", "environ", "maps"]) {
        const value = { path: `/proc/${id}/${file}`, openOptions: readOnly };
        assert.equal(await session.errno("open", { kind: "open", value }), 13, value.path);
      }
    }
    await session.open("/proc/1/status");
    await session.open("/proc/meminfo");
    await session.open("/proc/sys/kernel/ostype");
    assert.equal((await session.ok("readLink", { kind: "readLink", value: { path: "/proc/self" } })).path, String(process.pid));
  });

  test(`relative paths stay in the root of a process with mounts of its own, walked by the ${walker}`, { skip: mountsSkip }, async () => {
    using base = new TemporaryTarget();
    for (const name of ["copy", "old", "d/e"]) fs.mkdirSync(`${base.base}/${name}`, { recursive: true });
    fs.writeFileSync(`${base.base}/d/file`, "text");
    fs.symlinkSync(`${base.base}/d/file`, `${base.base}/d/e/absolute`);
    const child = spawn("unshare", ["--mount", "sh", "-c", inOwnRoot, "sh", base.base], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(child.stdout, "data");
      using target = new TemporaryTarget(`/proc/${child.pid}/root`);
      await using session = target.session({ walker });
      const relativeFd = await session.open(`${base.base}/d/e`);
      for (const path of ["../file", "absolute", `../../../../../../..${base.base}/d/file`]) {
        const value = { relativeFd, path, openOptions: readOnly };
        const { fd } = await session.ok("open", { kind: "openRelative", value });
        assert.equal(await session.readText(fd), "text");
      }
      assert.deepEqual(
        (await session.ok("xstat", { kind: "xstat", value: { path: "/..", fd: null, followSymlink: true } })).metadata.inode,
        fs.statSync(`/proc/${child.pid}/root/`).ino,
      );
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  test(`no request gets out while directories and links are swapped under it, walked by the ${walker}`, async () => {
    using target = new TemporaryTarget();
    await using session = target.session({ limits: { maxOpenFiles: 512 }, walker });
    fs.mkdirSync(target.at("a/b/c"), { recursive: true });
    fs.writeFileSync(target.at("a/b/c/secret"), "inside");
    fs.writeFileSync(target.at("a/b/secret"), "inside");
    fs.mkdirSync(target.at("elsewhere"));
    fs.symlinkSync(`${target.base}/outside`, target.at("out"));
    fs.symlinkSync("../../outside", target.at("a/up"));
    const stop = new SharedArrayBuffer(4);
    const swaps = [
      ["/a/b/c", "/out"],
      ["/a/b", "/a/up"],
      ["/a/b", "/elsewhere"],
    ];
    const worker = new Worker(swapping, { eval: true, workerData: { root: target.root, stop, swaps }, trackUnmanagedFds: false });
    await once(worker, "message");
    const openOptions = readOnly;
    let reached = 0;
    const until = Date.now() + 1500;
    while (Date.now() < until) {
      const directory = await session.result("open", { kind: "open", value: { path: "/a/b/c", openOptions } });
      const absolute: FileRequest = { kind: "open", value: { path: "/a/b/../b/c/../c/secret", openOptions } };
      if ((await contentsOf(session, await session.files.handle(absolute))) === "inside") reached += 1;
      if (directory.kind === "err") continue;
      const relativeFd = directory.value.fd;
      for (const path of ["../../../outside/secret", "../c/secret", "../../b/c/secret", "../../../../outside/secret", "secret"]) {
        const response = await session.files.handle({ kind: "openRelative", value: { relativeFd, path, openOptions } });
        assert.doesNotMatch(await contentsOf(session, response), /agent/);
      }
      await session.files.handle({ kind: "unlinkAt", value: { dirfd: relativeFd, pathname: "../../../outside/secret", flags: 0 } });
      await session.close(relativeFd);
    }
    Atomics.store(new Int32Array(stop), 0, 1);
    await once(worker, "exit");
    assert.ok(reached > 0);
    assert.equal(fs.readFileSync(target.secretPath, "utf8"), target.secret);
  });
}
