// Directory streams of both kinds.

import * as ask from "../requests.ts";
import { burst, type Scenario, script, type World } from "../scenario.ts";

export function directoryScenarios({ tree }: World): readonly Scenario[] {
  const at = (name: string): string => `${tree}/${name}`;
  const opened = (name: string) => [ask.open(at(name)), ask.openDir(0)] as const;
  return [
    { name: "readdir: one by one", steps: script(...opened("same"), ...Array.from({ length: 11 }, () => ask.readDir(1))) },
    { name: "readdir: an empty folder", steps: script(...opened("empty"), ask.readDir(1), ask.readDir(1), ask.readDirBatch(1, 10)) },
    { name: "readdir: all kinds of entries", steps: script(...opened("mixed"), ask.readDirBatch(1, 100), ask.readDirBatch(1, 100)) },
    {
      name: "readdir: batches",
      steps: script(
        ...opened("same"),
        ask.readDirBatch(1, 0),
        ask.readDirBatch(1, 1),
        ask.readDirBatch(1, 3),
        ask.readDir(1),
        ask.readDirBatch(1, 3),
        ask.readDirBatch(1, 3),
        ask.readDirBatch(1, 3),
      ),
    },
    { name: "readdir: large amounts", steps: script(...opened("same"), ask.readDirBatch(1, 10_000), ask.readDirBatch(1, 10_000)) },
    {
      name: "readdir: two streams of one folder",
      steps: script(
        ...opened("same"),
        ask.openDir(0),
        ask.readDirBatch(1, 4),
        ask.readDirBatch(2, 2),
        ask.readDirBatch(1, 9),
        ask.readDirBatch(2, 9),
      ),
    },
    { name: "readdir: through a link", steps: script(...opened("dir-link"), ask.readDirBatch(1, 100)) },
    {
      name: "readdir: unknown streams",
      steps: script(
        ask.readDir(0),
        ask.readDirBatch(3, 1),
        ask.openDir(0),
        ask.open(at("dir")),
        ask.readDir(0),
        ask.readDirBatch(0, 1),
        ask.open(at("file")),
        ask.openDir(1),
        ask.readDir(1),
      ),
    },
    {
      name: "readdir: after the end",
      steps: script(...opened("same"), ask.closeDir(1), ask.readDir(1), ask.readDirBatch(1, 1), ask.closeDir(1)),
    },
    {
      name: "readdir: after the folder was closed",
      steps: script(...opened("same"), ask.close(0), ask.readDirBatch(1, 2), ask.openDir(0)),
    },
    { name: "readdir: a stream closed as a file", steps: script(...opened("same"), ask.close(1), ask.readDirBatch(1, 2)) },
    {
      name: "readdir: at once",
      steps: [burst(...opened("same"), ask.readDirBatch(1, 5), ask.closeDir(1), ask.readDir(1), ask.getDents(0, 10_000))],
    },
    {
      name: "getdents: everything",
      steps: script(ask.open(at("mixed")), ask.getDents(0, 10_000), ask.getDents(0, 10_000), ask.getDents(0, 10_000)),
    },
    { name: "getdents: an empty folder", steps: script(ask.open(at("empty")), ask.getDents(0, 10_000), ask.getDents(0, 10_000)) },
    ...[0, 1, 23, 24, 47, 48, 56, 79, 80, 81, 200, 2 ** 20].map((size): Scenario => ({
      name: `getdents: in ${size} bytes`,
      steps: script(ask.open(at("same")), ...Array.from({ length: 4 }, () => ask.getDents(0, size)), ask.getDents(0, 100_000)),
    })),
    {
      name: "getdents: not folders",
      steps: script(ask.open(at("file")), ask.getDents(0, 1000), ask.getDents(1, 1000), ask.getDents(2n ** 64n - 1n, 1000)),
    },
    { name: "getdents: a directory stream", steps: script(...opened("same"), ask.getDents(1, 1000)) },
    {
      name: "getdents: from the beginning",
      steps: script(
        ask.open(at("same")),
        ask.getDents(0, 60),
        ask.closeDir(0),
        ask.getDents(0, 60),
        ask.open(at("same")),
        ask.getDents(1, 60),
      ),
    },
    {
      name: "getdents: after the folder was closed",
      steps: script(ask.open(at("same")), ask.getDents(0, 60), ask.close(0), ask.getDents(0, 100_000)),
    },
    {
      name: "getdents: beside a stream",
      steps: script(...opened("same"), ask.getDents(0, 60), ask.readDirBatch(1, 3), ask.getDents(0, 60)),
    },
  ];
}
