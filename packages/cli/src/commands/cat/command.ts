// The arguments and the help of `understudy cat`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";
import { collectTargetPaths } from "../../targetFiles/targetPathArguments.ts";

export function addCatCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("cat"))
    .summary("print files of the target")
    .description("Prints the contents of files of the target, byte by byte as they are.")
    .argument("<path...>", "files of the target", collectTargetPaths)
    .option("--json", "print one JSON object a piece, with its bytes in base64")
    .addHelpText("after", help)
    .action(async (paths: readonly string[], { json, ...agent }: AgentOptions & { json?: boolean }) => {
      const { cat } = await import("./cat.ts");
      exitWith(await cat({ ...agent, paths, json: json === true }, output));
    });
}

const help = `
Exit codes:
  0    printed, or the reader wanted no more
  1    a file could not be read, or the agent cannot be reached
  2    wrong arguments
  130  interrupted

Examples:
  understudy cat /etc/hosts --agent 127.0.0.1:61337
  understudy cat /var/log/app.log --agent 127.0.0.1:61337 | head
  understudy cat /srv/model.bin --agent 127.0.0.1:61337 > model.bin`;
