// `understudy socks`: a SOCKS proxy until the user ends it.

import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import type { Output } from "../../output.ts";
import { TrafficReport } from "../../proxy/trafficReport.ts";
import { untilStopped } from "../../proxy/untilStopped.ts";
import type { Credentials } from "./socksHandshake.ts";
import { startSocksServer } from "./socksServer.ts";

export interface SocksCommandOptions extends AgentOptions {
  readonly at: HostPort;
  readonly credentials: Credentials | null;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function socks({ at, credentials, json, ...agent }: SocksCommandOptions, output: Output): Promise<number> {
  return await withLastingSession(agent, output, async (session, stopped) => {
    const report = new TrafficReport({ json }, output);
    {
      await using server = await startSocksServer(at, { source: session, report, stopped, credentials });
      report.status(`SOCKS proxy at ${formatHostPort(server.address)}; Ctrl-C ends it`);
      await untilStopped(session, stopped);
    }
    report.summary();
    return 0;
  });
}
