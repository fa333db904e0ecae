// The arguments and the help of `understudy local`.

import type { Command } from "commander";
import { addLocalTargetOptions, type LocalTargetOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { parsePort } from "../../hostPort.ts";

export function addLocalCommand(program: Command, { output, exitWith }: CommandContext): void {
  addLocalTargetOptions(program.command("local"))
    .summary("run an agent beside a process or container of this machine")
    .description("Runs an agent beside a process, a Docker container or a network namespace of this machine until it is interrupted.")
    .option("--port <port>", "where the agent listens, on 127.0.0.1; any free port without it", argument(parsePort))
    .option("--json", "print where it listens as one JSON object")
    .addHelpText("after", localHelp)
    .action(async (options: LocalTargetOptions & { port?: number; json?: boolean }) => {
      const { local } = await import("./local.ts");
      exitWith(await local({ ...options, json: options.json === true }, output));
    });
}

const localHelp = `
Other commands start such an agent by themselves when they are given the same option, and end it with them; this one is for an agent that
several share. It needs root, setpriv (util-linux), and ip (iproute2) for --netns. While it runs, every user of this machine can connect to it and
reach the target through it. A namespace has no files and environment of its own: they are the machine's, with /etc/netns/NAME over it. Settings of
the agent (MIRRORD_AGENT_*, UNDERSTUDY_*, RUST_LOG) go to it. However the command ends, the agent ends, and its redirect rules
with it; it also ends when nobody has come for 18 hours.

Exit codes:
  0    ended by Ctrl-C or SIGTERM
  1    the agent could not start, or ended by itself, as it does with its target
  2    wrong arguments

Examples:
  sudo understudy local --netns shop --port 61337
  sudo understudy local --pid "$(pgrep -o nginx)" --json | jq -r .address
  sudo understudy local --docker web --verbose`;
