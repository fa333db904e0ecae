// The arguments that `steal` and `mirror` share: which ports, which servers, which requests.

import type { Command } from "commander";
import type { AgentOptions } from "../agent/agentChoice.ts";
import { argument } from "../arguments.ts";
import type { HostPort } from "../hostPort.ts";
import { addFilterOptions, type FilterOptions } from "./filterOptions.ts";
import { parseServerHost, type PortMapping, repeatedMapping, type ServerHost, serversOf } from "./portMapping.ts";

/** What commander makes of the options of `addTrafficOptions`. */
export interface TrafficOptions extends AgentOptions, FilterOptions {
  readonly to?: ServerHost;
  readonly http2?: boolean;
  readonly json?: boolean;
}

export function addTrafficOptions(command: Command): Command {
  command
    .argument("<ports...>", "PORT or PORT:LOCAL: ports of the target, and of this machine", repeatedMapping)
    .option("--to <host>", "host of the servers, or HOST:PORT for one port (default: localhost)", argument(parseServerHost));
  return addFilterOptions(command).option(
    "--http2",
    "speak HTTP/2 to the servers for requests that came as HTTP/2; for gRPC that is tried anyway",
  );
}

/** The server for each port, null where none was named. What does not go together ends the command as a usage error. */
export function serversFor(
  command: Command,
  mappings: readonly PortMapping[],
  to: ServerHost | undefined,
): ReadonlyMap<number, HostPort | null> {
  try {
    return serversOf(mappings, to);
  } catch (error) {
    return command.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  }
}
