// `understudy local`: runs an agent beside something on this machine until the user ends it.

import { once } from "node:events";
import { choiceText, localChoiceOf, type LocalTargetOptions } from "../../agent/agentChoice.ts";
import { interruptible } from "../../agent/interruptible.ts";
import { LocalAgent } from "../../agent/local/localAgent.ts";
import { formatHostPort } from "../../hostPort.ts";
import type { Output } from "../../output.ts";
import { UsageError } from "../../usageError.ts";

export interface LocalCommandOptions extends LocalTargetOptions {
  readonly port?: number;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function local({ port, json, ...options }: LocalCommandOptions, output: Output): Promise<number> {
  return await interruptible(output, 0, async (signal) => {
    const choice = localChoiceOf(options);
    if (choice === null) throw new UsageError("nothing is named to run an agent beside: give --netns NAME, --pid PID or --docker NAME");
    await using agent = await LocalAgent.start(choice, { output, signal, ...(port === undefined ? {} : { port }) });
    const address = formatHostPort(agent.address);
    if (json) await output.line(JSON.stringify({ kind: "listening", address, pid: agent.pid, beside: choiceText(choice) }));
    else
      await output.line(
        `${output.style("bold", `${agent.name} listens at ${address}`)}; use it with: understudy status --agent ${address}`,
      );
    output.note("Ctrl-C ends it");
    const ended = await Promise.race([agent.ended, signal.aborted ? null : once(signal, "abort").then(() => null)]);
    if (ended !== null) throw new Error(`${agent.name} ended by itself (${ended}); its target may have ended`);
    return 0;
  });
}
