// `understudy http-proxy`: an HTTP proxy until the user ends it.

import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import type { Output } from "../../output.ts";
import { TrafficReport } from "../../proxy/trafficReport.ts";
import { untilStopped } from "../../proxy/untilStopped.ts";
import { startHttpProxy } from "./httpProxyServer.ts";

export interface HttpProxyCommandOptions extends AgentOptions {
  readonly at: HostPort;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function httpProxy({ at, json, ...agent }: HttpProxyCommandOptions, output: Output): Promise<number> {
  return await withLastingSession(agent, output, async (session, stopped) => {
    const report = new TrafficReport({ json }, output);
    {
      await using server = await startHttpProxy(at, { source: session, report, stopped });
      report.status(`HTTP proxy at ${formatHostPort(server.address)}; Ctrl-C ends it`);
      await untilStopped(session, stopped);
    }
    report.summary();
    return 0;
  });
}
