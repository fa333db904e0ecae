// The launcher's second step, where redirect rules may be those of iptables and the agent did not end by itself: removes what it left in the
// target's network namespace. A process of its own, since the agent is gone.

import { argv, env, exit } from "node:process";
import { parseCommandLine } from "./cli.ts";
import { cleanUpAfterAgent } from "./incoming/redirect/leftoverRules.ts";
import { chooseFormat } from "./log/format.ts";
import { DescriptorSink } from "./log/lineSink.ts";
import { createLog } from "./log/log.ts";
import { CapabilityReport } from "./namespace/capabilityReport.ts";
import { heldRights } from "./namespace/rights.ts";
import { parseSettings } from "./settings.ts";
import { StartError } from "./startError.ts";
import { findTarget } from "./target.ts";

async function main(): Promise<number> {
  const commandLine = parseCommandLine(argv.slice(2), env);
  if (commandLine.kind === "print") return commandLine.exitCode;
  const { settings } = parseSettings(env);
  await using sink = new DescriptorSink(1);
  using log = createLog({
    filter: settings.logFilter,
    format: chooseFormat({ isJson: settings.jsonLog, isTerminal: sink.isTerminal, env }),
    sink,
  });
  const { options } = commandLine;
  const report = new CapabilityReport(options.mode.kind, heldRights());
  try {
    // The rules are where the target's network is.
    using target = await findTarget({ options, settings, log, report, stop: new AbortController().signal });
    if (target.networkRefusal !== null) return 1;
    sink.usePool();
    return (await cleanUpAfterAgent(target.containerId, log.child("agent::incoming::redirect"))) ? 0 : 1;
  } catch (error) {
    if (error instanceof StartError) return 1;
    throw error;
  }
}

exit(await main());
