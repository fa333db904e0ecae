// The arguments and the help of `understudy steal`.

import type { Command } from "commander";
import { addAgentOptions } from "../../agent/agentChoice.ts";
import type { CommandContext } from "../../context.ts";
import type { HostPort } from "../../hostPort.ts";
import { filterChoice, filterHelp } from "../../incoming/filterOptions.ts";
import type { PortMapping } from "../../incoming/portMapping.ts";
import { addTrafficOptions, serversFor, type TrafficOptions } from "../../incoming/trafficOptions.ts";

/** Beside those that `mirror` has, too. */
interface Options extends TrafficOptions {
  readonly fallback?: boolean;
}

export function addStealCommand(program: Command, { output, exitWith }: CommandContext): void {
  const command = addAgentOptions(program.command("steal"))
    .summary("answer a target's requests with servers of this machine")
    .description("Takes requests of a target's ports through an agent and has them answered by servers of this machine.");
  addTrafficOptions(command)
    .option("--fallback", "let the target answer what its server does not")
    .option("--json", "print one JSON object a request")
    .addHelpText("after", stealHelp)
    .action(async (mappings: readonly PortMapping[], options: Options) => {
      const servers = new Map<number, HostPort>();
      for (const [port, server] of serversFor(command, mappings, options.to)) {
        servers.set(port, server ?? { host: options.to?.host ?? "localhost", port });
      }
      const { steal } = await import("./steal.ts");
      const { http2 = false, fallback = false, json = false } = options;
      exitWith(await steal({ ...options, servers, filters: filterChoice(options), http2, fallback, json }, output));
    });
}

const stealHelp = `
PORT:LOCAL has what arrives at PORT of the target answered by port LOCAL of this machine, PORT alone by the same port.
Without filters everything is taken: HTTP requests and raw TCP connections. With filters only the requests that match; the others reach the
target as ever.
${filterHelp.trim()}

WebSockets and other upgrades of HTTP/1.1 go through. A request that its server does not answer gets 502 with the reason, or with --fallback
the target's answer, where not more than 1 MiB of its body has been sent.
When the connection to the agent breaks, it is made again and the ports are taken again.
Ctrl-C gives the ports back and waits up to 3 s for requests in progress; a second one does not wait.
--json prints an object for each request, connection and, at the end, the whole.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached, or refuses
  2  wrong arguments

Examples:
  understudy steal 8080:3000 --agent 127.0.0.1:61337
  understudy steal 80:3000 8081:9000 --agent 127.0.0.1:61337 --header '^x-user: me$' --path '^/api/'
  understudy steal 80 --to '[::1]:3000' --agent 127.0.0.1:61337 --any-of --method POST --json-body '$.user=^me$'
  understudy steal 80:3000 --agent 127.0.0.1:61337 --json | jq .status`;
