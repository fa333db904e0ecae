// The arguments and the help of `understudy steal`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import type { HostPort } from "../../hostPort.ts";
import { addFilterOptions, filterChoice, filterHelp, type FilterOptions } from "../../incoming/filterOptions.ts";
import { parseServerHost, type PortMapping, repeatedMapping, type ServerHost, serversOf } from "../../incoming/portMapping.ts";

interface Options extends AgentOptions, FilterOptions {
  readonly to?: ServerHost;
  readonly http2?: boolean;
  readonly fallback?: boolean;
  readonly json?: boolean;
}

export function addStealCommand(program: Command, { output, exitWith }: CommandContext): void {
  const command = addAgentOptions(program.command("steal"))
    .summary("answer a target's requests with servers of this machine")
    .description("Takes requests of a target's ports through an agent and has them answered by servers of this machine.")
    .argument("<ports...>", "PORT or PORT:LOCAL: ports of the target, and of this machine", repeatedMapping)
    .option("--to <host>", "host of the servers, or HOST:PORT for one port (default: localhost)", argument(parseServerHost));
  addFilterOptions(command)
    .option("--http2", "speak HTTP/2 to the servers for requests that came as HTTP/2; for gRPC that is tried anyway")
    .option("--fallback", "let the target answer what its server does not")
    .option("--json", "print one JSON object a request")
    .addHelpText("after", stealHelp)
    .action(async (mappings: readonly PortMapping[], options: Options) => {
      const servers = new Map<number, HostPort>();
      try {
        for (const [port, server] of serversOf(mappings, options.to)) {
          servers.set(port, server ?? { host: options.to?.host ?? "localhost", port });
        }
      } catch (error) {
        command.error(`error: ${error instanceof Error ? error.message : String(error)}`);
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
