// From a choice to an agent that can be talked to. What was started for it ends with it.

import type { Duplex } from "node:stream";
import { connectSocket } from "@understudy/client";
import { formatHostPort } from "../hostPort.ts";
import type { Output } from "../output.ts";
import type { AgentChoice, ClusterTargetChoice } from "./agentChoice.ts";
import type { InClusterChoice } from "./kubernetes/reachInCluster.ts";

/** An agent that listens. Disposing it ends what was started to reach it, the agent included if it was started for this command. */
export interface ReachedAgent extends AsyncDisposable {
  /** For texts, such as `the agent at 127.0.0.1:61337`. */
  readonly name: string;
  /** A new connection to it; the caller's to end. Rejects when there is none, or when `signal` aborts. */
  connect(signal: AbortSignal): Promise<Duplex>;
}

/**
 * Finds or starts the agent. Tells `output` what takes long.
 * @throws Error whose text is one sentence for the user, which says what to do.
 */
export async function reachAgent(choice: AgentChoice, output: Output, signal: AbortSignal): Promise<ReachedAgent> {
  switch (choice.kind) {
    case "address": {
      const { address } = choice;
      return {
        name: `the agent at ${formatHostPort(address)}`,
        connect: (connecting) => connectSocket(address, connecting),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    }
    case "pod":
    case "deployment": {
      const { reachInCluster } = await import("./kubernetes/reachInCluster.ts");
      return await reachInCluster(inClusterChoice(choice), output, signal);
    }
    case "netns":
    case "pid":
    case "docker": {
      const { LocalAgent } = await import("./local/localAgent.ts");
      const agent = await LocalAgent.start(choice, { output, signal });
      return {
        name: agent.name,
        connect: (connecting) => connectSocket(agent.address, connecting),
        [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
      };
    }
  }
}

/** The same choice in the words of `kubernetes/`. */
export function inClusterChoice({ kind, name, container, cluster, image, isEphemeral }: ClusterTargetChoice): InClusterChoice {
  return { target: { kind, name, container }, cluster, image, isEphemeral };
}
