// The arguments and the help of `understudy ls`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";
import { collectTargetPaths } from "../../targetFiles/targetPathArguments.ts";

interface Given extends AgentOptions {
  readonly long?: boolean;
  readonly all?: boolean;
  readonly recursive?: boolean;
  readonly json?: boolean;
}

export function addLsCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("ls"))
    .summary("list directories of the target")
    .description("Lists directories of the target, one name a line.")
    .argument("<path...>", "directories or files of the target", collectTargetPaths)
    .option("-l, --long", "with mode, links, owner, group, size, and the time if the agent tells it")
    .option("-a, --all", "also names that begin with a dot")
    .option("-R, --recursive", "also the directories below; links are not followed")
    .option("--json", "print one JSON object a file")
    .addHelpText("after", help)
    .action(async (paths: readonly string[], { long, all, recursive, json, ...agent }: Given) => {
      const { ls } = await import("./ls.ts");
      exitWith(
        await ls({ ...agent, paths, long: long === true, all: all === true, recursive: recursive === true, json: json === true }, output),
      );
    });
}

const help = `
Owners are numbers, as the names are the target's. Times are in UTC; most agents tell none. A name that is not UTF-8 is shown with U+FFFD and cannot be looked at further.

Exit codes:
  0    listed
  1    something could not be listed, or the agent cannot be reached
  2    wrong arguments
  130  interrupted

Examples:
  understudy ls /srv --agent 127.0.0.1:61337
  understudy ls -la /etc --agent 127.0.0.1:61337
  understudy ls -R /srv --agent 127.0.0.1:61337 --json | jq -r .path`;
