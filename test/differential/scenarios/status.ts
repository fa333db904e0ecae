// What can be asked of a path or an open file: status, file system, access, link texts.

import * as ask from "../requests.ts";
import { type Scenario, script, type World } from "../scenario.ts";
import { badPaths, relativePaths } from "./badPaths.ts";

const everything = [
  "file",
  "nothing",
  "secret",
  "program",
  "hard",
  "big",
  "dir",
  "sticky",
  "empty",
  "fifo",
  "socket",
  "link",
  "absolute-link",
  "chain",
  "longer-chain",
  "dir-link",
  "dir-link/",
  "dir-link/file",
  "dir-link/up-link",
  "absolute-dir-link/file",
  "dir/absolute-link",
  "dir/up-link",
  "dangling",
  "loop-a",
  "self",
] as const;

export function statusScenarios({ tree, mode }: World): readonly Scenario[] {
  return [
    ...everything.map((name): Scenario => ({
      name: `stat: ${name}`,
      steps: script(ask.stat(`${tree}/${name}`), ask.lstat(`${tree}/${name}`), ask.readLink(`${tree}/${name}`)),
    })),
    ...badPaths(tree).map(([what, path]): Scenario => ({
      name: `stat: path ${what}`,
      steps: script(ask.stat(path), ask.lstat(path), ask.statfs(path), ask.readLink(path)),
    })),
    ...relativePaths.map(([what, path]): Scenario => ({
      name: `stat: path ${what}`,
      steps: script(ask.stat(path), ask.lstat(path), ask.statfs(path), ask.statfsV2(path), ask.readLink(path), ask.ping),
    })),
    { name: "stat: the root", steps: script(ask.stat("/"), ask.lstat("/"), ask.ping) },
    { name: "stat: devices", needs: "root", steps: script(ask.stat("/dev/null"), ask.stat("/dev/zero"), ask.lstat("/dev/null")) },
    { name: "stat: neither a path nor a file", steps: script(ask.statNothing()) },
    {
      name: "stat: open files",
      steps: script(
        ask.open(`${tree}/file`),
        ask.fstat(0),
        ask.open(`${tree}/dir`),
        ask.fstat(1),
        ask.fstat(2),
        ask.fstat(2n ** 64n - 1n),
        ask.openDir(1),
        ask.fstat(2),
      ),
    },
    {
      name: "stat: a file that was removed",
      steps: script(ask.open(`${tree}/file`), ask.unlink(`${tree}/hard`), ask.unlink(`${tree}/file`), ask.fstat(0)),
    },
    {
      name: "stat: a folder that was removed",
      steps: script(
        ask.open(`${tree}/empty`),
        ask.rmdir(`${tree}/empty`),
        ask.fstat(0),
        ask.openAt(0, "x"),
        ask.openDir(0),
        ask.getDents(0, 1000),
      ),
    },
    {
      name: "fstatat: relative to a folder",
      steps: script(
        ask.open(`${tree}/dir`),
        ask.fstatat(0, "file"),
        ask.fstatat(0, "missing"),
        ask.fstatat(0, "inner/deep"),
        ask.fstatat(0, "absolute-link"),
        ask.fstatat(0, "absolute-link", false),
        ask.fstatat(0, ""),
      ),
    },
    { name: "fstatat: an absolute path", steps: script(ask.open(`${tree}/dir`), ask.fstatat(0, `${tree}/file`)) },
    { name: "fstatat: relative to no folder", steps: script(ask.open(`${tree}/file`), ask.fstatat(0, "x"), ask.fstatat(5, "x")) },
    {
      name: "statfs: paths",
      steps: script(
        ask.statfs(`${tree}/file`),
        ask.statfs(`${tree}/dir`),
        ask.statfsV2(`${tree}/file`),
        ask.statfsV2(`${tree}/dir-link`),
        ask.statfs("/proc"),
        ask.statfsV2("/proc"),
        ask.statfsV2("/dev/null"),
      ),
    },
    { name: "statfs: the root", steps: script(ask.statfs("/"), ask.statfsV2("/")) },
    {
      name: "statfs: open files",
      steps: script(
        ask.open(`${tree}/file`),
        ask.open(`${tree}/dir`),
        ask.fstatfs(0),
        ask.fstatfs(1),
        ask.fstatfsV2(0),
        ask.fstatfsV2(1),
        ask.fstatfs(2),
        ask.fstatfsV2(2),
      ),
    },

    ...everything.map((name): Scenario => ({
      name: `access: ${name}`,
      ...(["secret", "sticky", "dir", "file"].includes(name) ? { needs: "root" as const } : {}),
      steps: script(...Array.from({ length: 8 }, (_, bits) => ask.access(`${tree}/${name}`, bits))),
    })),
    { name: "access: other bits", steps: script(...[8, 16, 0o70, 0x80, 0xff].map((bits) => ask.access(`${tree}/file`, bits))) },
    ...badPaths(tree).map(([what, path]): Scenario => ({
      name: `access: path ${what}`,
      steps: script(ask.access(path, 0), ask.access(path, 4)),
    })),
    // A relative path ends the session with the reference, so it is asked last; see the list of differences.
    ...relativePaths.map(([what, path]): Scenario => ({ name: `access: path ${what}`, steps: script(ask.access(path, 0)) })),
    ...relativePaths.map(([what, path]): Scenario => ({ name: `open: path ${what}`, steps: script(ask.open(path)) })),
    { name: "access: the root", steps: script(ask.access("/", 0), ask.access("/", 5)) },

    {
      name: "up: beyond the root",
      needs: "root",
      steps: script(
        ask.stat("/.."),
        ask.lstat("/../.."),
        ask.access("/../dev/null", 0),
        ask.open("/../dev/null"),
        ask.statfs("/.."),
        ask.mkdir("/../understudy/no/such"),
        ask.ping,
      ),
    },
    ...(mode === "ephemeral"
      ? [
          {
            name: "up: out of the target's root",
            steps: script(
              ask.open("/"),
              ask.openAt(0, ".."),
              ask.openAt(0, "../srv/agent-only"),
              ask.openAt(0, "/srv/agent-only"),
              ask.stat("/srv/agent-only"),
              ask.open("/srv/agent-only"),
            ),
          },
        ]
      : []),
  ];
}
