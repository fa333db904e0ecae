// The arguments and the help of `understudy status`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";

export function addStatusCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("status"))
    .summary("say whether an agent answers, and what it serves")
    .description("Opens a session with an agent and says how it answers: its protocol, the time of a ping, and which target it serves.")
    .option("--json", "print one JSON object")
    .addHelpText("after", statusHelp)
    .action(async (options: AgentOptions & { json?: boolean }) => {
      const { status } = await import("./status.ts");
      exitWith(await status({ ...options, json: options.json === true }, output));
    });
}

const statusHelp = `
Exit codes:
  0    the agent answers
  1    the agent cannot be reached, or refuses
  2    wrong arguments
  130  interrupted

Examples:
  understudy status --agent 127.0.0.1:61337
  understudy status --deployment shop --json | jq .pingMs`;
