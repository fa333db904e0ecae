// The arguments and the help of `understudy cp`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { type Place, parsePlace } from "./place.ts";

interface Given extends AgentOptions {
  readonly recursive?: boolean;
  readonly follow?: boolean;
  readonly resume?: boolean;
  readonly json?: boolean;
}

export function addCpCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("cp"))
    .summary("copy files from and to the target")
    .description("Copies files between this machine and the target. Paths of the target begin with a colon, or with target: before them.")
    .argument("<from>", "what to copy, as in :/var/log/app.log or ./app.log", argument(parsePlace))
    .argument("<to>", "a new name, or a directory to copy into", argument(parsePlace))
    .option("-r, --recursive", "directories with all that is in them")
    .option("--follow", "copy what links point to, instead of the links")
    .option("--resume", "continue copies that were broken off")
    .option("--json", "print one JSON object a file that was copied")
    .addHelpText("after", help)
    .action(async (from: Place, to: Place, { recursive, follow, resume, json, ...agent }: Given) => {
      const { cp } = await import("./cp.ts");
      const ways = { isRecursive: recursive === true, follows: follow === true, resumes: resume === true };
      exitWith(await cp({ ...agent, from, to, ways, json: json === true }, output));
    });
}

const help = `
A file is written beside its new name as NAME.SIZE-VERSION.understudy.part and renamed when it is complete. What is broken off keeps that file, and
--resume continues it if the source has not changed: by its size, what is known of its time, and the last 256 KiB. Modes are kept (without set-user-ID and
the like), owners are not, times as far as the agent tells them, which most do not. Links cannot be made at the target, nor can pipes,
sockets and devices be copied. Nothing is written through a link that a copy made.

Exit codes:
  0    all was copied
  1    something was not, or the agent cannot be reached
  2    wrong arguments
  130  interrupted

Examples:
  understudy cp :/var/log/app.log . --agent 127.0.0.1:61337
  understudy cp -r target:/srv/config ./config --agent 127.0.0.1:61337
  understudy cp ./dump.sql :/tmp/ --resume --agent 127.0.0.1:61337`;
