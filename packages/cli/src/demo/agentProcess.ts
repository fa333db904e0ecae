// The agent of the demo: the real one, started as a cluster starts it in an ephemeral container.

import { ownAgent } from "../agent/local/agentBinary.ts";
import type { Pod } from "./pod.ts";
import type { Program } from "./programs.ts";

/** The agent's port inside the pod. */
export const AGENT_PORT = 61337;

const args = ["-l", String(AGENT_PORT), "-t", "60", "ephemeral"];
/** What was started, for the user to read. */
export const agentCommandLine: string = ["mirrord-agent", ...args].join(" ");

/** Resolves when the agent has said that it is ready, with that line. The pod owns the agent. */
export async function startAgent(pod: Pod, signal: AbortSignal): Promise<{ readonly agent: Program; readonly readyLine: string }> {
  const agent = await pod.start("the agent", [ownAgent, ...args], { MIRRORD_AGENT_POD_IPS: pod.addresses.pod });
  return { agent, readyLine: await agent.line("agent ready", signal) };
}
