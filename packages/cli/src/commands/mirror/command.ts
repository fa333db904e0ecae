// The arguments and the help of `understudy mirror`.

import type { Command } from "commander";
import { addAgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";
import { filterChoice, filterHelp } from "../../incoming/filterOptions.ts";
import type { PortMapping } from "../../incoming/portMapping.ts";
import { addTrafficOptions, serversFor, type TrafficOptions } from "../../incoming/trafficOptions.ts";

export function addMirrorCommand(program: Command, { output, exitWith }: CommandContext): void {
  const command = addAgentOptions(program.command("mirror"))
    .summary("see a target's requests, and try servers of this machine on copies of them")
    .description("Shows what arrives at a target's ports, and gives copies to servers of this machine. The target answers as ever.");
  addTrafficOptions(command)
    .option("--json", "print one JSON object a request")
    .addHelpText("after", mirrorHelp)
    .action(async (mappings: readonly PortMapping[], options: TrafficOptions) => {
      const servers = serversFor(command, mappings, options.to);
      const { mirror } = await import("./mirror.ts");
      const { http2 = false, json = false } = options;
      exitWith(await mirror({ ...options, servers, filters: filterChoice(options), http2, json }, output));
    });
}

const mirrorHelp = `
PORT alone is only shown. PORT:LOCAL also gives copies to port LOCAL of this machine, whose answers are thrown away.
Without filters everything is copied: HTTP requests and raw TCP connections. With filters only the requests that match.
${filterHelp.trim()}

Bytes are those of the request, the status is that of the server of this machine. A server that is too slow misses copies.
Of upgraded connections (WebSocket) only the request is copied.
When the connection to the agent breaks, it is made again. Ctrl-C ends it.
--json prints an object for each request, connection and, at the end, the whole.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached, or refuses
  2  wrong arguments

Examples:
  understudy mirror 8080 --agent 127.0.0.1:61337
  understudy mirror 80:3000 --agent 127.0.0.1:61337 --path '^/api/' --method POST
  understudy mirror 80 --agent 127.0.0.1:61337 --json | jq .path`;
