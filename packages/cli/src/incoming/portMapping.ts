// Which port of the target belongs to which of this machine, as a user types them: `80`, `80:3000`.

import { InvalidArgumentError } from "commander";
import { argument } from "../arguments.ts";
import { type HostPort, parsePort } from "../hostPort.ts";

export interface PortMapping {
  /** Of the target. */
  readonly port: number;
  /** Of this machine; null where the user named none. */
  readonly serverPort: number | null;
}

/** @throws Error that says what is wrong. */
export function parsePortMapping(text: string): PortMapping {
  const [port = "", serverPort, ...more] = text.split(":");
  if (more.length > 0) throw new Error("It must be PORT or PORT:LOCAL.");
  return { port: parsePort(port), serverPort: serverPort === undefined ? null : parsePort(serverPort) };
}

/** For an argument of a command that may be given several times, each port of the target once. */
export function repeatedMapping(text: string, before: readonly PortMapping[] = []): PortMapping[] {
  const mapping = argument(parsePortMapping)(text);
  if (before.some(({ port }) => port === mapping.port)) throw new InvalidArgumentError(`Port ${mapping.port} is there already.`);
  return [...before, mapping];
}

/** Where servers are: a host, and for a single port the port as well. */
export interface ServerHost {
  readonly host: string;
  readonly port: number | null;
}

/** @throws Error that says what is wrong. */
export function parseServerHost(text: string): ServerHost {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:]*))(?::([^:]*))?$/.exec(text);
  if (match === null) {
    throw new Error(text.includes(":") ? "An IPv6 address needs brackets, such as [::1]:80." : "It must be HOST or HOST:PORT.");
  }
  const host = match[1] ?? match[2] ?? "";
  if (host === "") throw new Error("The host is missing.");
  if (/^\d+$/.test(host)) throw new Error(`It needs a host too, such as localhost:${host}.`);
  if (match[1] !== undefined && !match[1].includes(":")) throw new Error("Only IPv6 addresses stand in brackets.");
  return { host, port: match[3] === undefined ? null : parsePort(match[3]) };
}

/** The server of each port; null where there is none. @throws Error when the arguments contradict each other. */
export function serversOf(mappings: readonly PortMapping[], to: ServerHost | undefined): ReadonlyMap<number, HostPort | null> {
  const [only] = mappings;
  if (to !== undefined && to.port !== null) {
    if (mappings.length > 1) throw new Error("--to HOST:PORT is for one port: give each as PORT:LOCAL, and --to HOST.");
    if (only !== undefined && only.serverPort !== null)
      throw new Error(`there are two ports for port ${only.port}: in --to and behind the colon.`);
  }
  return new Map(
    mappings.map(({ port, serverPort }) => {
      const named = serverPort ?? to?.port ?? null;
      return [port, named === null ? null : { host: to?.host ?? "localhost", port: named }];
    }),
  );
}
