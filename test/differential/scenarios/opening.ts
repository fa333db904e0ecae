// Opening files: all sets of options on everything that can be at a path, and bad paths.

import * as ask from "../requests.ts";
import { type Scenario, script, type World } from "../scenario.ts";
import { badPaths } from "./badPaths.ts";

export function openingScenarios({ tree }: World): readonly Scenario[] {
  const matrix = ask.allOpenOptions.map((options): Scenario => ({
    name: `open: options "${options}"`,
    steps: script(
      ask.open(`${tree}/lines`, options),
      ask.read(0, 5),
      ask.write(0, "new"),
      ask.seek(0, "current", 0),
      ask.fstat(0),
      ask.stat(`${tree}/lines`),
      ask.open(`${tree}/missing`, options),
      ask.lstat(`${tree}/missing`),
      ask.open(`${tree}/dir`, options),
      ask.open(`${tree}/link`, options),
      ask.open(`${tree}/dangling`, options),
      ask.lstat(`${tree}/dangling`),
      ask.open(`${tree}/missing/below`, options),
    ),
  }));
  const things = [
    "chain",
    "longer-chain",
    "absolute-link",
    "dir-link/file",
    "absolute-dir-link/file",
    "dir/absolute-link",
    "dir/up-link",
    "loop-a",
    "self",
    "socket",
    "hard",
  ];
  return [
    ...matrix,
    ...things.map((name): Scenario => ({
      name: `open: ${name}`,
      steps: script(ask.open(`${tree}/${name}`), ask.read(0, 100), ask.fstat(0)),
    })),
    { name: "open: a file that the agent may not read", needs: "root", steps: script(ask.open(`${tree}/secret`), ask.read(0, 100)) },
    ...badPaths(tree).map(([what, path]): Scenario => ({
      name: `open: path ${what}`,
      steps: script(ask.open(path), ask.open(path, "wc"), ask.ping),
    })),
    {
      name: "open: ids count up and are not used again",
      steps: script(
        ask.open(`${tree}/file`),
        ask.open(`${tree}/missing`),
        ask.open(`${tree}/dir`),
        ask.close(0),
        ask.open(`${tree}/file`),
        ask.openDir(1),
        ask.open(`${tree}/nothing`),
      ),
    },
    {
      name: "openat: files of a folder",
      steps: script(
        ask.open(`${tree}/dir`),
        ask.openAt(0, "file"),
        ask.read(1, 100),
        ask.openAt(0, "missing"),
        ask.openAt(0, "inner"),
        ask.openAt(3, "deep"),
        ask.read(4, 100),
        ask.openAt(0, "inner/deep"),
        ask.openAt(0, "./file"),
        ask.openAt(0, "up-link"),
        ask.openAt(0, "new", "wc"),
        ask.write(7, "made"),
        ask.stat(`${tree}/dir/new`),
        ask.openAt(0, "new", "wn"),
      ),
    },
    { name: "openat: the folder itself", steps: script(ask.open(`${tree}/dir`), ask.openAt(0, "."), ask.fstat(1)) },
    { name: "openat: an empty path", steps: script(ask.open(`${tree}/dir`), ask.openAt(0, "")) },
    {
      name: "openat: the folder above",
      steps: script(ask.open(`${tree}/dir`), ask.openAt(0, ".."), ask.openAt(0, "../file"), ask.read(2, 100)),
    },
    {
      name: "openat: a link with an absolute text",
      steps: script(ask.open(`${tree}/dir`), ask.openAt(0, "absolute-link"), ask.read(1, 100)),
    },
    { name: "openat: an absolute path", steps: script(ask.open(`${tree}/dir`), ask.openAt(0, `${tree}/file`), ask.read(1, 100)) },
    { name: "openat: relative to a file", steps: script(ask.open(`${tree}/file`), ask.openAt(0, "x"), ask.openAt(0, "")) },
    { name: "openat: relative to nothing", steps: script(ask.openAt(0, "x"), ask.openAt(2n ** 53n, "x"), ask.openAt(2n ** 64n - 1n, "x")) },
    {
      name: "openat: relative to a folder that was renamed",
      steps: script(ask.open(`${tree}/dir`), ask.rename(`${tree}/dir`, `${tree}/moved`), ask.openAt(0, "file")),
    },
    {
      name: "openat: bad options",
      steps: script(ask.open(`${tree}/dir`), ask.openAt(0, "file", ""), ask.openAt(0, "file", "rc"), ask.openAt(0, "inner", "w")),
    },
  ];
}
