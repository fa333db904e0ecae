// The arguments and the help of `understudy exec`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";
import { addFilterOptions, filterChoice, type FilterOptions } from "../../incoming/filterOptions.ts";
import { type PortMapping, repeatedMapping } from "../../incoming/portMapping.ts";
import { ownNamesText } from "./commandEnvironment.ts";

interface ExecCommandLine extends AgentOptions, FilterOptions {
  readonly steal?: readonly PortMapping[];
  readonly env: boolean;
  readonly keep?: readonly string[];
  readonly proxy: boolean;
}

export function addExecCommand(program: Command, { output, exitWith }: CommandContext): void {
  const exec = addAgentOptions(program.command("exec"))
    .summary("run a command with the target's environment and network")
    .description(
      "Runs a command on this machine with the target's environment variables, and with proxies that lead into the target's network.",
    )
    .argument("<command...>", "the command and its arguments")
    .passThroughOptions()
    .option("--steal <port[:local]>", "have the command answer requests of a port of the target, at LOCAL on this machine", repeatedMapping)
    .option("--no-env", "without the target's environment variables")
    .option(
      "--keep <name>",
      "a variable whose value of this machine is kept; may be repeated",
      (name: string, before: readonly string[] | undefined) => [...(before ?? []), name],
    )
    .option("--no-proxy", "without proxies");
  addFilterOptions(exec)
    .addHelpText("after", execHelp)
    .action(async ([command = "", ...args]: readonly string[], options: ExecCommandLine, self: Command) => {
      const { steal = [], env: withEnv, keep = [], proxy: withProxy, ...agent } = options;
      const filters = filterChoice(options);
      if (steal.length === 0 && filters.filters.length > 0) self.error("error: filters are for --steal, which is missing");
      const { exec } = await import("./exec.ts");
      exitWith(await exec({ ...agent, command, args, withEnv, keep, withProxy, steal, filters }, output));
    });
}

const execHelp = `
The command sees this machine's variables with the target's over them. These stay as they are on this machine:
${ownNamesText.replace(/(.{1,140})(?: |$)/g, "  $1\n").trimEnd()}

ALL_PROXY, HTTP_PROXY and HTTPS_PROXY, in lower case too, name proxies on free ports of 127.0.0.1 that live as long as the command; with NO_PROXY
this machine itself is reached directly, and NODE_USE_ENV_PROXY has Node use them. Programs that know no proxies connect from this machine.
The filters say which requests --steal takes; without one it is all of them. Until the command listens, they are answered with 502.
SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on, SIGINT and SIGQUIT where no terminal has sent them to the command as well.

Exit codes:
  the command's, or 128 and the number of the signal that ended it; 127 when there is no such command, 126 when it cannot be run
  1  the agent cannot be reached or refuses
  2  wrong arguments

Examples:
  understudy exec --agent 127.0.0.1:61337 -- curl http://payments/health
  understudy exec --steal 8080:3000 --header '^x-user: me$' --agent 127.0.0.1:61337 -- npm start
  understudy exec --no-proxy --keep NODE_ENV --agent 127.0.0.1:61337 -- env`;
