// The arguments and the help of `understudy env`.

import { type Command, Option } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";
import { type EnvFormat, envFormats } from "./formats.ts";

interface Given extends AgentOptions {
  readonly format: EnvFormat;
  readonly json?: boolean;
  readonly exclude?: readonly string[];
}

export function addEnvCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("env"))
    .summary("print the target's environment variables")
    .description("Prints the environment variables of the target's process, quoted for what reads them.")
    .argument("[name...]", "names or patterns with * and ?; all without one")
    .option("--exclude <pattern...>", "names or patterns to leave out")
    .addOption(new Option("--format <format>", "how to print them").choices(envFormats).default("dotenv"))
    .option("--json", "the same as --format json")
    .addHelpText("after", help)
    .action(async (names: readonly string[], { format, json, exclude = [], ...agent }: Given) => {
      const { env } = await import("./env.ts");
      exitWith(await env({ ...agent, select: names, exclude, format: json === true ? "json" : format }, output));
    });
}

const help = `
dotenv is read by Node's --env-file and util.parseEnv, shell by every POSIX shell, json is one object. A variable that a format cannot hold is
named on standard error and left out. Agents never tell variables such as PATH and HOME, which belong to the target's image.

Exit codes:
  0    printed
  1    the agent cannot be reached or refuses, or a name without * and ? is not there
  2    wrong arguments
  130  interrupted

Examples:
  understudy env --agent 127.0.0.1:61337 > target.env && node --env-file=target.env server.js
  eval "$(understudy env 'DATABASE_*' --format shell --agent 127.0.0.1:61337)"
  understudy env DATABASE_URL --json --agent 127.0.0.1:61337 | jq -r .DATABASE_URL`;
