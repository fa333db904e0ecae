// The arguments and the help of `understudy forward`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { type ForwardSpec, parseForwardSpec } from "./forwardSpec.ts";

interface ForwardOptions extends AgentOptions {
  readonly listen: string;
  readonly udp?: boolean;
  readonly json?: boolean;
}

export function addForwardCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("forward"))
    .summary("reach what the target reaches from ports of this machine")
    .description("Listens on ports of this machine; what connects there is connected by the agent, from the target's network.")
    .argument(
      "<forward...>",
      "LOCAL:HOST:REMOTE, or LOCAL:unix:/path for a unix socket of the target; LOCAL 0 is any free port",
      (text: string, before: readonly ForwardSpec[] | undefined) => [...(before ?? []), argument(parseForwardSpec)(text)],
    )
    .option("--udp", "forward datagrams instead of connections")
    .option("--listen <address>", "address of this machine to listen at", "127.0.0.1")
    .option("--json", "print one JSON object a connection")
    .addHelpText("after", forwardHelp)
    .action(async (specs: readonly ForwardSpec[], options: ForwardOptions, command: Command) => {
      if (options.udp === true && specs.some(({ to }) => to.kind === "unix")) {
        command.error("error: --udp does not go with unix sockets");
      }
      const { forward } = await import("./forward.ts");
      exitWith(await forward({ ...options, specs, udp: options.udp === true, json: options.json === true }, output));
    });
}

const forwardHelp = `
HOST is a name as the target knows it, or an address; localhost is the target itself. It is looked up for each connection. Each end of a connection
is passed on by itself, and a reset of the target's side as a reset. A connection that cannot be made is closed, with a line that says why, and the
others go on. With --udp each program gets a socket of its own at the agent, which ends after a minute without a datagram; datagrams without bytes
cannot be carried. When the connection to the agent breaks, open connections end and new ones wait for the next session. Ctrl-C ends it.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached or refuses, or a port of this machine is in use
  2  wrong arguments

Examples:
  understudy forward 5432:database:5432 --agent 127.0.0.1:61337
  understudy forward 8080:payments:80 6379:redis.cache.svc:6379 --agent 127.0.0.1:61337
  understudy forward 2375:unix:/var/run/docker.sock --agent 127.0.0.1:61337
  understudy forward --udp 5353:10.96.0.10:53 --agent 127.0.0.1:61337 --json | jq .received`;
