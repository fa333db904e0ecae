import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import type { FileRequest, FileResponse } from "@understudy/protocol";
import { splitPath } from "./targetPaths.ts";
import { TemporaryTarget } from "./temporaryTargetFixture.ts";

interface Operation {
  readonly response: FileResponse["kind"];
  readonly request: (path: string) => FileRequest;
  readonly kernel: (root: string, path: string) => void;
}

const operations: Readonly<Record<string, Operation>> = {
  unlink: {
    response: "unlink",
    request: (pathname) => ({ kind: "unlink", value: { pathname } }),
    kernel: (_root, path) => fs.unlinkSync(path),
  },
  "unlinkAt without a directory": {
    response: "unlink",
    request: (pathname) => ({ kind: "unlinkAt", value: { dirfd: null, pathname, flags: 0 } }),
    kernel: (_root, path) => fs.unlinkSync(path),
  },
  "unlinkAt with AT_REMOVEDIR": {
    response: "unlink",
    request: (pathname) => ({ kind: "unlinkAt", value: { dirfd: null, pathname, flags: 0x200 } }),
    kernel: (_root, path) => fs.rmdirSync(path),
  },
  removeDir: {
    response: "removeDir",
    request: (pathname) => ({ kind: "removeDir", value: { pathname } }),
    kernel: (_root, path) => fs.rmdirSync(path),
  },
  makeDir: {
    response: "makeDir",
    request: (pathname) => ({ kind: "makeDir", value: { pathname, mode: 0o751 } }),
    kernel: (_root, path) => fs.mkdirSync(path, 0o751),
  },
  "rename away": {
    response: "rename",
    request: (oldPath) => ({ kind: "rename", value: { oldPath, newPath: "/moved" } }),
    kernel: (root, path) => fs.renameSync(path, `${root}/moved`),
  },
  "rename onto": {
    response: "rename",
    request: (newPath) => ({ kind: "rename", value: { oldPath: "/file", newPath } }),
    kernel: (root, path) => fs.renameSync(`${root}/file`, path),
  },
};

const names = [
  "file",
  "file/",
  "empty",
  "empty/",
  "empty//",
  "full",
  "missing",
  "missing/",
  "missing/x",
  "file/x",
  "link",
  "link/",
  "directoryLink",
  "directoryLink/",
  "directoryLink/x",
  "dangling",
  "dangling/",
  "loop/x",
  "empty/.",
  "empty/..",
  "full/x/..",
  "full/.",
  "file/.",
  ".",
  "..",
  "x".repeat(300),
  `${"full/../".repeat(600)}file`,
];

function fill(target: TemporaryTarget): void {
  fs.writeFileSync(target.at("file"), "file");
  fs.mkdirSync(target.at("empty"));
  fs.mkdirSync(target.at("full"));
  fs.writeFileSync(target.at("full/x"), "x");
  fs.symlinkSync("full/x", target.at("link"));
  fs.symlinkSync("full", target.at("directoryLink"));
  fs.symlinkSync("missing", target.at("dangling"));
  fs.symlinkSync("loop", target.at("loop"));
}

/** Every name below a directory with its kind and its text. */
function tree(target: TemporaryTarget): readonly string[] {
  const all = fs.readdirSync(target.root, { recursive: true, withFileTypes: true });
  const lines = all.map((entry) => {
    const path = `${entry.parentPath}/${entry.name}`;
    const { mode } = fs.lstatSync(path);
    const text = entry.isFile() ? fs.readFileSync(path, "utf8") : entry.isSymbolicLink() ? fs.readlinkSync(path) : "";
    return `${path.slice(target.root.length)} ${mode.toString(8)} ${text}`;
  });
  return lines.toSorted();
}

for (const [title, { response, request, kernel }] of Object.entries(operations)) {
  test(`${title} does to every kind of name what the kernel does`, async () => {
    for (const name of names) {
      using expected = new TemporaryTarget();
      using actual = new TemporaryTarget();
      await using session = actual.session();
      fill(expected);
      fill(actual);
      let expectedErrno: number | null = null;
      try {
        kernel(expected.root, `${expected.root}/${name}`);
      } catch (error) {
        expectedErrno = -Number((error as NodeJS.ErrnoException).errno);
      }
      const result = await session.result(response, request(`/${name}`));
      const errno = result.kind === "err" && result.value.kind === "remoteIO" ? result.value.value.rawOsError : null;
      assert.equal(errno, expectedErrno, `/${name}`);
      assert.equal(result.kind, expectedErrno === null ? "ok" : "err");
      assert.deepEqual(tree(actual), tree(expected), name);
    }
  });
}

test("the root itself and the empty path have the kernel's errors", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fill(target);
  const before = tree(target);
  const errnos: [FileResponse["kind"], FileRequest, number][] = [];
  for (const path of ["/", "//", "/.."]) {
    errnos.push(["unlink", { kind: "unlink", value: { pathname: path } }, 21]);
    errnos.push(["makeDir", { kind: "makeDir", value: { pathname: path, mode: 0 } }, 17]);
    errnos.push(["rename", { kind: "rename", value: { oldPath: path, newPath: "/x" } }, 16]);
    errnos.push(["rename", { kind: "rename", value: { oldPath: "/empty", newPath: path } }, 16]);
    errnos.push(["removeDir", { kind: "removeDir", value: { pathname: path } }, path === "/.." ? 39 : 16]);
  }
  errnos.push(["unlink", { kind: "unlink", value: { pathname: "" } }, 2]);
  errnos.push(["makeDir", { kind: "makeDir", value: { pathname: "", mode: 0 } }, 2]);
  errnos.push(["removeDir", { kind: "removeDir", value: { pathname: "" } }, 2]);
  errnos.push(["rename", { kind: "rename", value: { oldPath: "", newPath: "/x" } }, 2]);
  errnos.push(["unlink", { kind: "unlinkAt", value: { dirfd: null, pathname: "/file", flags: 1 } }, 22]);
  for (const [response, request, errno] of errnos) {
    assert.equal(await session.errno(response, request), errno, JSON.stringify(request));
  }
  assert.deepEqual(tree(target), before);
});

test("relative names start at the root, or at the directory that is given", async () => {
  using target = new TemporaryTarget();
  await using session = target.session();
  fill(target);
  const full = await session.open("/full");
  await session.ok("makeDir", { kind: "makeDir", value: { pathname: "one", mode: 0o700 } });
  await session.ok("makeDir", { kind: "makeDirAt", value: { dirfd: full, pathname: "two", mode: 0o700 } });
  await session.ok("makeDir", { kind: "makeDirAt", value: { dirfd: full, pathname: "../three", mode: 0o700 } });
  await session.ok("makeDir", { kind: "makeDirAt", value: { dirfd: full, pathname: "/four", mode: 0o700 } });
  await session.ok("makeDir", { kind: "makeDirAt", value: { dirfd: full, pathname: "two/five/", mode: 0o7000_0700 } });
  assert.deepEqual(
    ["one", "full/two", "three", "four", "full/two/five"].filter((name) => !fs.existsSync(target.at(name))),
    [],
  );
  await session.ok("unlink", { kind: "unlinkAt", value: { dirfd: full, pathname: "x", flags: 0 } });
  await session.ok("unlink", { kind: "unlinkAt", value: { dirfd: full, pathname: "../four", flags: 0x200 } });
  await session.ok("unlink", { kind: "unlinkAt", value: { dirfd: full, pathname: "/three", flags: 0x200 } });
  await session.ok("rename", { kind: "rename", value: { oldPath: "full/two", newPath: "file2" } });
  await session.ok("removeDir", { kind: "removeDir", value: { pathname: "one" } });
  assert.deepEqual(fs.readdirSync(target.at("file2")), ["five"]);
  assert.deepEqual(
    ["one", "three", "four", "full/x"].filter((name) => fs.existsSync(target.at(name))),
    [],
  );
});

test("paths are cut before their last name, whose slashes stay with it", () => {
  const cases = [
    ["/a/b", "/a/", "b"],
    ["a/b//", "a/", "b//"],
    ["a", ".", "a"],
    ["/a", "/", "a"],
    ["//a", "//", "a"],
    ["/a/..", "/a/", ".."],
    ["/", "/", "/"],
    ["///", "/", "/"],
    ["", ".", ""],
  ] as const;
  for (const [path, directory, name] of cases) assert.deepEqual(splitPath(path), { directory, name });
});
