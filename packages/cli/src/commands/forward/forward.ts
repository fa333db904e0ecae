// `understudy forward`: ports of this machine that lead into the target's network, until the user ends it.

import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import { formatHostPort } from "../../hostPort.ts";
import type { Output } from "../../output.ts";
import { destinationText } from "../../proxy/destination.ts";
import { TrafficReport } from "../../proxy/trafficReport.ts";
import { untilStopped } from "../../proxy/untilStopped.ts";
import type { ForwardSpec } from "./forwardSpec.ts";
import { forwardTcp } from "./forwardTcp.ts";
import { forwardUdp } from "./forwardUdp.ts";

export interface ForwardCommandOptions extends AgentOptions {
  readonly specs: readonly ForwardSpec[];
  /** Address of this machine. */
  readonly listen: string;
  readonly udp: boolean;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function forward({ specs, listen, udp, json, ...agent }: ForwardCommandOptions, output: Output): Promise<number> {
  return await withLastingSession(agent, output, async (session, stopped) => {
    const report = new TrafficReport({ json }, output);
    {
      await using owned = new AsyncDisposableStack();
      for (const { port, to } of specs) {
        const at = { host: listen, port };
        const services = { source: session, report, stopped };
        const { address } = owned.use(
          to.kind === "host" && udp ? await forwardUdp(at, to.address, services) : await forwardTcp(at, to, services),
        );
        report.status(`forwarding ${formatHostPort(address)}${udp ? " (UDP)" : ""} to ${destinationText(to)}`);
      }
      await untilStopped(session, stopped);
    }
    report.summary();
    return 0;
  });
}
