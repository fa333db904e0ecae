// `understudy steal`: has a target's requests answered by servers of this machine, until the user ends it.

import type { Duplex } from "node:stream";
import type { IncomingConnection, IncomingRequest, LastingSession } from "@understudy/client";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { matchedFilters } from "../../incoming/filterMatch.ts";
import { type FilterChoice, filterText, httpFilter } from "../../incoming/filterOptions.ts";
import { forwardConnection } from "../../incoming/forwardConnection.ts";
import { Report } from "../../incoming/report.ts";
import { RequestForwarder } from "../../incoming/requestForwarder.ts";
import { whileSubscribed } from "../../incoming/whileSubscribed.ts";
import type { Output } from "../../output.ts";

export interface StealCommandOptions extends AgentOptions {
  /** Which server answers for which port. */
  readonly servers: ReadonlyMap<number, HostPort>;
  readonly filters: FilterChoice;
  /** Whether requests that came as HTTP/2 are sent as that. gRPC always is. */
  readonly http2: boolean;
  /** Whether the target answers what a server does not. */
  readonly fallback: boolean;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function steal(options: StealCommandOptions, output: Output): Promise<number> {
  const { servers, filters, http2, fallback, json } = options;
  return await withLastingSession(options, output, async (session, stopped) => {
    const showsFilters = filters.isAnyOf && filters.filters.length > 1;
    using report = new Report({ json, verb: "stolen", showsPort: servers.size > 1, showsFilters }, output);
    using owned = new DisposableStack();
    const connectTarget = fallback ? (arrived: Arrived) => connectToTarget(session, arrived) : null;
    const namesOf = matchedFilters(filters);
    const ports = [...servers.keys()];
    const subscribe = (port: number) => {
      const server = servers.get(port) as HostPort;
      const forwarder = owned.use(new RequestForwarder({ server, http2, connectTarget }));
      return session.steal(port, {
        filter: httpFilter(filters),
        onRequest: (request) => forwarder.forward(request, report.request(request, namesOf(request)), request.signal),
        onConnection: (connection) => {
          const toTarget = connectTarget === null ? null : () => connectTarget(connection);
          void forwardConnection(connection.stream, report.connection(connection), server, toTarget);
        },
      });
    };
    await whileSubscribed({ ports, subscribe }, { session, stopped, output }, () => report.status(startText(options)));
    report.summary();
    return 0;
  });
}

type Arrived = Pick<IncomingRequest | IncomingConnection, "port" | "transport"> & { readonly destination?: IncomingRequest["destination"] };

/** As the agent itself reaches the target: by its loopback address. What the agent sends is never stolen. */
async function connectToTarget(session: LastingSession, { port, transport, destination }: Arrived): Promise<Duplex> {
  if (transport.kind === "tls") throw new Error("its port has TLS, which --fallback does not speak");
  const ip = destination?.ip.includes(":") === true ? "::1" : "127.0.0.1";
  return await (await session.session()).connectTcp({ ip, port });
}

function startText({ servers, filters }: StealCommandOptions): string {
  const ports = [...servers].map(([port, server]) => `port ${port} for ${formatHostPort(server)}`);
  return `stealing ${filterText(filters)} of ${ports.join(", ")}; Ctrl-C ends it`;
}
