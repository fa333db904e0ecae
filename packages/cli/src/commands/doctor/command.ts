// The arguments and the help of `understudy doctor`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { type HostPort, parseHostPort, parsePort } from "../../hostPort.ts";

export function addDoctorCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("doctor"))
    .summary("find out what works here and with an agent, and why not")
    .description(
      "Tries what this machine can do and, when one is named, what an agent can do: one line for each, with what to do where it fails.",
    )
    .option("--connect <host:port>", "also connect there from the target's network", argument(parseHostPort))
    .option("--redirect <port>", "also redirect this port of the target for a moment; no request is taken", argument(parsePort))
    .option("--json", "print one JSON object a check")
    .addHelpText("after", doctorHelp)
    .action(async (options: AgentOptions & { connect?: HostPort; redirect?: number; json?: boolean }) => {
      const { doctor } = await import("./doctor.ts");
      exitWith(await doctor({ ...options, json: options.json === true }, output));
    });
}

const doctorHelp = `
Each line begins with ok, no or off. "off" is something that is not there and that nothing asked for needs.
With --redirect the connections to that port pass through the agent for a moment, with a filter that nobody knows.

Exit codes:
  0    all that was asked works
  1    something does not
  2    wrong arguments
  130  interrupted

Examples:
  understudy doctor
  understudy doctor --agent 127.0.0.1:61337 --connect database:5432 --redirect 80
  sudo understudy doctor --pid 4242 --json | jq 'select(.state == "no")'`;
