// The arguments and the help of `understudy find`.

import { type Command, Option } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { nameGlob } from "../../targetFiles/nameGlob.ts";
import { parseTargetPath } from "../../targetFiles/targetPath.ts";
import { parseDepth, parseNewer, parseSize, type SizeTest } from "./tests.ts";

interface Given extends AgentOptions {
  readonly name?: (name: string) => boolean;
  readonly type?: "f" | "d" | "l";
  readonly maxDepth?: number;
  readonly size?: SizeTest;
  readonly newer?: Date;
  readonly print0?: boolean;
  readonly json?: boolean;
}

export function addFindCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("find"))
    .summary("find files of the target")
    .description("Prints the paths of a tree of the target that pass all the tests. Links are not followed.")
    .argument("<path>", "where to begin", argument(parseTargetPath))
    .option("--name <glob>", "only names that match, as in '*.log'", argument(nameGlob))
    .addOption(new Option("--type <type>", "only files, directories or links").choices(["f", "d", "l"]))
    .option("--max-depth <n>", "levels to go down; 0 is the path itself", argument(parseDepth))
    .option("--size <[+-]n[k|M|G]>", "only this size in bytes: +n more, -n less, n exactly", argument(parseSize))
    .option(
      "--newer <when>",
      "only changed after a time, as in 2026-01-31T12:00Z, or within an age, as in 10m, 2h, 7d",
      argument(parseNewer),
    )
    .option("-0, --print0", "end each path with NUL instead of a line end")
    .option("--json", "print one JSON object a file")
    .addHelpText("after", help)
    .action(async (path: string, { name, type, maxDepth, size, newer, print0, json, ...agent }: Given) => {
      const { find } = await import("./find.ts");
      const tests = { name: name ?? null, type: type ?? null, size: size ?? null, newer: newer ?? null };
      const form = json === true ? "json" : print0 === true ? "nul" : "lines";
      exitWith(await find({ ...agent, path, maxDepth: maxDepth ?? Infinity, tests, form }, output));
    });
}

const help = `
Paths are printed as they are found, a directory before what is in it. What cannot be looked at is named on standard error, and the search goes on.
--newer needs an agent that tells times: UNDERSTUDY_FULL_FILE_TIMES=true in its environment.

Exit codes:
  0    searched
  1    something could not be looked at, or the agent cannot be reached
  2    wrong arguments
  130  interrupted

Examples:
  understudy find /var/log --name '*.log' --size +10M --agent 127.0.0.1:61337
  understudy find /srv --type f --size +0 --agent 127.0.0.1:61337
  understudy find /etc --max-depth 1 --json --agent 127.0.0.1:61337 | jq -r .path`;
