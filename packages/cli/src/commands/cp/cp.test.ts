// `understudy cp` from a target that wants to write elsewhere than it may.

import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { FakeAgent, type FakePeer } from "@understudy/client/testing";
import type { DirEntryInternal, FileRequest, FileResponse, MetadataInternal } from "@understudy/protocol";
import { runCommand } from "../../testing/runCommand.ts";
import { partName } from "./partName.ts";
import { parsePlace } from "./place.ts";

const DIRECTORY = 4;
const FILE = 8;
const LINK = 10;

const ok = <T>(value: T) => ({ kind: "ok", value }) as const;
const entry = (name: string, fileType = FILE): DirEntryInternal => ({ inode: 1, position: 0, name, fileType });

/** Directories of a target, by path; the first entry of a name says what a path is, the next one when it is asked again. */
class HostileTarget {
  readonly #directories: Readonly<Record<string, readonly DirEntryInternal[]>>;
  readonly #linkTarget: string;
  readonly #types: Map<string, number[]>;
  readonly #open = new Map<number, string>();
  readonly #listed = new Set<number>();
  #fds = 0;
  #inodes = 0;

  constructor(directories: Readonly<Record<string, readonly DirEntryInternal[]>>, linkTarget: string) {
    this.#directories = directories;
    this.#linkTarget = linkTarget;
    this.#types = new Map();
    for (const [path, entries] of Object.entries(directories)) {
      for (const { name, fileType } of entries) {
        const full = `${path}/${name}`;
        this.#types.set(full, [...(this.#types.get(full) ?? []), fileType]);
      }
    }
  }

  async serve(peer: FakePeer): Promise<void> {
    await peer.handshake();
    for (;;) {
      const message = await peer.next();
      if (message.kind === "close") return;
      const answer = message.kind === "fileRequest" ? this.#answer(message.value) : null;
      if (answer !== null) peer.send({ kind: "file", value: answer });
    }
  }

  #answer(request: FileRequest): FileResponse | null {
    switch (request.kind) {
      case "xstat":
        return { kind: "xstat", value: ok({ metadata: metadata(this.#typeOf(request.value.path ?? ""), (this.#inodes += 1)) }) };
      case "open":
        this.#open.set((this.#fds += 1), request.value.path);
        return { kind: "open", value: ok({ fd: this.#fds }) };
      case "fdOpenDir":
        return { kind: "openDir", value: ok({ fd: request.value.remoteFd }) };
      case "readDirBatch": {
        const fd = Number(request.value.remoteFd);
        const dirEntries = this.#listed.has(fd) ? [] : (this.#directories[this.#open.get(fd) ?? ""] ?? []);
        this.#listed.add(fd);
        return { kind: "readDirBatch", value: ok({ fd, dirEntries }) };
      }
      case "readLink":
        return { kind: "readLink", value: ok({ path: this.#linkTarget }) };
      case "readLimited": {
        const bytes = Buffer.from(request.value.startFrom === 0 ? "evil" : "");
        return { kind: "readLimited", value: ok({ bytes, readAmount: bytes.length }) };
      }
      default:
        return null;
    }
  }

  #typeOf(path: string): number {
    if (path in this.#directories && !this.#types.has(path)) return DIRECTORY;
    const types = this.#types.get(path) ?? [];
    return (types.length > 1 ? types.shift() : types[0]) ?? FILE;
  }
}

function metadata(type: number, inode: number): MetadataInternal {
  const zeros = { deviceId: 1, inode, hardLinks: 1, userId: 0, groupId: 0, rdeviceId: 0, blockSize: 512, blocks: 0 };
  return { ...zeros, mode: (type << 12) | 0o7755, size: 4, accessTime: 0, modificationTime: 0, creationTime: 0 };
}

/** Copies `/evil` of a target into a new folder, beside which there is `outside`. */
async function copyEvil(directories: Readonly<Record<string, readonly DirEntryInternal[]>>) {
  const folder = await mkdtemp(join(tmpdir(), "understudy-cp-"));
  await mkdir(join(folder, "outside"));
  await using agent = await FakeAgent.start();
  const target = new HostileTarget(directories, join(folder, "outside"));
  const served = agent.accept().then((peer) => target.serve(peer));
  const run = await runCommand(["cp", "-r", ":/evil", join(folder, "copy"), "--agent", `127.0.0.1:${agent.port}`]);
  await served;
  return { folder, run, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

suite("understudy cp", { timeout: 60_000 }, () => {
  test("refuses names that lead elsewhere, and shows control characters as text", async () => {
    const refused = ["..", "../outside/x", "/etc/understudy-x", "", ".", "a/b", "x.1-1.understudy.part"];
    await using evil = await copyEvil({ "/evil": [...refused.map((name) => entry(name)), entry("\u001b[31m.txt"), entry("fine")] });
    const { folder, run } = evil;
    assert.equal(run.code, 1, run.stderr);
    assert.equal(run.stderr.match(/an entry is refused for its name/g)?.length, refused.length);
    assert.deepEqual((await readdir(folder)).sort(), ["copy", "outside"]);
    assert.deepEqual((await readdir(join(folder, "copy"))).sort(), ["\u001b[31m.txt", "fine"]);
    assert.deepEqual(await readdir(join(folder, "outside")), []);
    assert.ok(!run.stderr.includes("\u001b"));
    // Nobody gets set-user-ID programs by copying.
    assert.equal((await lstat(join(folder, "copy", "fine"))).mode & 0o7777, 0o755);
    assert.equal(await readFile(join(folder, "copy", "fine"), "utf8"), "evil");
  });

  test("does not write through a link that the same copy has made", async () => {
    const dup = [entry("dup", LINK), entry("dup", DIRECTORY)];
    await using evil = await copyEvil({ "/evil": dup, "/evil/dup": [entry("planted")] });
    const { folder, run } = evil;
    assert.equal(run.code, 1);
    assert.match(run.stderr, /EEXIST/);
    assert.ok((await lstat(join(folder, "copy", "dup"))).isSymbolicLink());
    assert.deepEqual(await readdir(join(folder, "outside")), []);
  });

  test("tells paths of the target from others", () => {
    assert.deepEqual(parsePlace(":/a:b"), { side: "target", path: "/a:b" });
    assert.deepEqual(parsePlace("target:/a"), { side: "target", path: "/a" });
    assert.deepEqual(parsePlace("./:/a"), { side: "machine", path: "./:/a" });
    for (const wrong of [":a", ":", "target:", ""]) assert.throws(() => parsePlace(wrong));
  });

  test("a part is named for its source, within what a name may have", () => {
    assert.equal(partName("a", { size: 5, version: "v" }), "a.5-v.understudy.part");
    assert.ok(Buffer.byteLength(partName("é".repeat(127), { size: 5, version: "v" })) <= 255);
  });
});
