// Making, removing and renaming.

import * as ask from "../requests.ts";
import { type Scenario, script, type World } from "../scenario.ts";
import { badPaths, relativePaths } from "./badPaths.ts";

export function namingScenarios({ tree, mode }: World): readonly Scenario[] {
  const at = (name: string): string => `${tree}/${name}`;
  const linkEnds = ["link", "absolute-link", "chain", "dangling", "loop-a"] as const;
  return [
    {
      name: "mkdir: modes",
      steps: script(
        ...[0o755, 0o700, 0o777, 0, 0o1777, 0o4755, 0o100755, 0xffffffff].flatMap((mode) => [
          ask.mkdir(at(`m${mode}`), mode),
          ask.stat(at(`m${mode}`)),
        ]),
      ),
    },
    {
      name: "mkdir: what is there",
      steps: script(
        ask.mkdir(at("dir")),
        ask.mkdir(at("file")),
        ask.mkdir(at("dir-link")),
        ask.mkdir(at("new/")),
        ask.mkdir(at("new")),
        ask.mkdir("/"),
      ),
    },
    { name: "mkdir: a dangling link", steps: script(ask.mkdir(at("dangling")), ask.lstat(at("dangling")), ask.lstat(at("missing"))) },
    ...badPaths(tree).map(([what, path]): Scenario => ({ name: `mkdir: path ${what}`, steps: script(ask.mkdir(path), ask.lstat(path)) })),
    {
      name: "mkdirat: in a folder",
      steps: script(
        ask.open(at("dir")),
        ask.mkdirAt(0, "new"),
        ask.stat(at("dir/new")),
        ask.mkdirAt(0, "new"),
        ask.mkdirAt(0, "missing/below"),
        ask.mkdirAt(0, "up-link"),
        ask.mkdirAt(0, ""),
      ),
    },
    { name: "mkdirat: an absolute path", steps: script(ask.open(at("dir")), ask.mkdirAt(0, at("made")), ask.lstat(at("made"))) },
    { name: "mkdirat: in no folder", steps: script(ask.open(at("file")), ask.mkdirAt(0, "new"), ask.mkdirAt(5, "new")) },

    {
      name: "rmdir: folders",
      steps: script(
        ask.rmdir(at("empty")),
        ask.lstat(at("empty")),
        ask.rmdir(at("full")),
        ask.rmdir(at("file")),
        ask.rmdir(at("missing")),
        ask.rmdir(at("sticky/")),
        ask.rmdir(at("dir/.")),
        ask.rmdir(at("dir/inner/..")),
      ),
    },
    { name: "rmdir: a link to a folder", steps: script(ask.rmdir(at("dir/inner")), ask.rmdir(at("dir-link")), ask.lstat(at("dir-link"))) },
    ...badPaths(tree).map(([what, path]): Scenario => ({ name: `rmdir: path ${what}`, steps: script(ask.rmdir(path)) })),

    {
      name: "unlink: files",
      steps: script(
        ask.unlink(at("file")),
        ask.lstat(at("file")),
        ask.unlink(at("file")),
        ask.stat(at("hard")),
        ask.unlink(at("dir")),
        ask.unlink(at("fifo")),
        ask.unlink(at("dir/")),
      ),
    },
    ...linkEnds.map((name): Scenario => ({
      name: `unlink: ${name}`,
      steps: script(ask.unlink(at(name)), ask.lstat(at(name)), ask.lstat(at("file")), ask.lstat(at("absolute-link"))),
    })),
    ...badPaths(tree).map(([what, path]): Scenario => ({
      name: `unlink: path ${what}`,
      steps: script(ask.unlink(path), ask.unlinkAt(null, path)),
    })),
    {
      name: "unlinkat: without a folder",
      steps: script(
        ask.unlinkAt(null, at("file")),
        ask.unlinkAt(null, at("empty"), 0x200),
        ask.unlinkAt(null, at("full"), 0x200),
        ask.unlinkAt(null, at("dir")),
        ask.unlinkAt(null, at("lines"), 0x200),
      ),
    },
    {
      name: "unlinkat: flags",
      steps: script(
        ...[1, 0x100, 0x201, 0x400, 0x1000, 0xffffffff].map((flags) => ask.unlinkAt(null, at("file"), flags)),
        ask.lstat(at("file")),
      ),
    },
    {
      name: "unlinkat: in a folder",
      steps: script(
        ask.open(at("dir")),
        ask.unlinkAt(0, "file"),
        ask.lstat(at("dir/file")),
        ask.unlinkAt(0, "inner", 0x200),
        ask.unlinkAt(0, "missing"),
        ask.unlinkAt(0, "up-link"),
        ask.lstat(at("file")),
      ),
    },
    { name: "unlinkat: an absolute path", steps: script(ask.open(at("dir")), ask.unlinkAt(0, at("lines")), ask.lstat(at("lines"))) },
    {
      name: "unlinkat: in no folder",
      steps: script(ask.open(at("file")), ask.unlinkAt(0, "x"), ask.unlinkAt(5, "x"), ask.unlinkAt(5, "x", 3)),
    },

    {
      name: "rename: files",
      steps: script(
        ask.rename(at("file"), at("new")),
        ask.lstat(at("file")),
        ask.stat(at("new")),
        ask.rename(at("new"), at("lines")),
        ask.stat(at("lines")),
        ask.rename(at("lines"), at("dir/new")),
        ask.stat(at("dir/new")),
      ),
    },
    {
      name: "rename: folders",
      steps: script(
        ask.rename(at("dir"), at("moved")),
        ask.stat(at("moved/file")),
        ask.rename(at("moved"), at("full")),
        ask.rename(at("moved"), at("empty")),
        ask.stat(at("empty/file")),
        ask.rename(at("empty"), at("empty/below")),
      ),
    },
    {
      name: "rename: a file and a folder",
      steps: script(
        ask.rename(at("file"), at("dir")),
        ask.rename(at("dir"), at("file")),
        ask.rename(at("file"), at("file")),
        ask.rename(at("file"), at("hard")),
        ask.lstat(at("file")),
      ),
    },
    {
      name: "rename: to another file system",
      steps: script(ask.rename(at("file"), "/proc/understudy"), ask.rename("/proc/version", at("version"))),
    },
    ...linkEnds.map((name): Scenario => ({
      name: `rename: ${name}`,
      steps: script(ask.rename(at(name), at("renamed")), ask.lstat(at("renamed")), ask.lstat(at(name)), ask.lstat(at("file"))),
    })),
    { name: "rename: onto a link", steps: script(ask.rename(at("lines"), at("link")), ask.lstat(at("link")), ask.lstat(at("file"))) },
    ...badPaths(tree).map(([what, path]): Scenario => ({
      name: `rename: path ${what}`,
      steps: script(ask.rename(path, at("renamed")), ask.rename(at("lines"), path)),
    })),
    ...relativePaths.map(([what, path]): Scenario => ({
      name: `names: path ${what}`,
      steps: script(
        ask.mkdir(path),
        ask.rmdir(path),
        ask.unlink(path),
        ask.unlinkAt(null, path),
        ask.rename(path, at("new")),
        ask.rename(at("file"), path),
        ask.ping,
      ),
    })),
    ...(mode === "ephemeral"
      ? [
          {
            name: "names: relative to the target's root",
            steps: script(
              ask.mkdir("srv/understudy-made"),
              ask.stat("/srv/understudy-made"),
              ask.rename("srv/understudy-made", "srv/understudy-moved"),
              ask.statfs("srv"),
              ask.rmdir("srv/understudy-moved"),
              ask.stat("/srv/understudy-moved"),
            ),
          },
        ]
      : []),
  ];
}
