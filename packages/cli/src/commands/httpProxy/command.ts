// The arguments and the help of `understudy http-proxy`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { parseListenPort } from "../../proxy/listenPort.ts";

interface HttpProxyCommandLine extends AgentOptions {
  readonly listen: string;
  readonly json?: boolean;
}

export function addHttpProxyCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("http-proxy"))
    .summary("an HTTP proxy into the target's network")
    .description("Serves as an HTTP proxy on this machine; connections are made by the agent, names looked up as the target does.")
    .argument("[port]", "port of this machine, 0 for any that is free", argument(parseListenPort), 3128)
    .option("--listen <address>", "address of this machine to listen at", "127.0.0.1")
    .option("--json", "print one JSON object a connection or request")
    .addHelpText("after", httpProxyHelp)
    .action(async (port: number, { listen, json, ...agent }: HttpProxyCommandLine) => {
      const { httpProxy } = await import("./httpProxy.ts");
      exitWith(await httpProxy({ ...agent, at: { host: listen, port }, json: json === true }, output));
    });
}

const httpProxyHelp = `
CONNECT makes a tunnel, for https and everything else; http requests are sent on, their bodies as streams. What cannot be reached is answered with
502 and the reason. Everybody who can connect to the port reaches what the target reaches: without --listen that is this machine alone.
When the connection to the agent breaks, open connections end and new ones wait for the next session. Ctrl-C ends it.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached or refuses, or the port is in use
  2  wrong arguments

Examples:
  understudy http-proxy --agent 127.0.0.1:61337
  curl --proxy http://127.0.0.1:3128 http://payments/health
  HTTPS_PROXY=http://127.0.0.1:3128 curl https://payments.internal/
  understudy http-proxy 0 --agent 127.0.0.1:61337 --json | jq .to`;
