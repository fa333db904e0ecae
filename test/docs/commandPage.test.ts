// The page about the commands shows what they print.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { podSkipReason } from "../pod/pod.ts";
import { toolsSkipReason } from "../peers/peerPrograms.ts";
import { commandPage, withOutput } from "./commandPage.ts";

/** What differs from run to run, and from machine to machine, is left out: numbers, units of speed, versions of programs, and in which order a command's end and that of its connections are told. */
function withoutChance(page: string): string {
  return page
    .replaceAll(/^(ok {3}(program|Node|platform|agent program)\s.{12}|host name).*$/gm, "$1")
    .replaceAll(/\d+(\.\d+)?/g, "0")
    .replaceAll(/\b([KM]i)?B\/s/g, "B/s")
    .replaceAll("connections", "connection")
    .replaceAll(/\^C\n([^`]*)/g, (_all, lines: string) => lines.split("\n").toSorted().join("\n"));
}

suite("docs/commands.md", { skip: podSkipReason() || toolsSkipReason("curl") }, () => {
  test("its examples print what it says; node --conditions=source test/docs/commandPage.ts renews them", async () => {
    const page = await readFile(commandPage, "utf8");
    assert.equal(withoutChance(await withOutput(page)), withoutChance(page));
  });
});
