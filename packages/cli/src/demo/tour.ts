// The frame of the demo: makes the pod, starts the agent, shows steps, leaves. Everybody in it checks the outcome of what they tell and
// prints what came back; an outcome that is not what a step promises is an error, so a demo that ends well has shown all of it.

import { connectAgent } from "@understudy/client";
import { formatHostPort, type HostPort } from "../hostPort.ts";
import type { Output } from "../output.ts";
import { AGENT_PORT, agentCommandLine, startAgent } from "./agentProcess.ts";
import { expect } from "./expect.ts";
import { Narrator } from "./narrator.ts";
import { Pod } from "./pod.ts";
import { type Program, unlessAborted } from "./programs.ts";
import { PAYMENTS_PORT, SHOP_PORT } from "./shopSettings.ts";
import type { Stage } from "./stage.ts";
import type { DemoStep } from "./steps/step.ts";
import type { Answer } from "./visit.ts";
import { coffee, mine, MINE_FILTER, see, SHOP } from "./visitors.ts";

export interface TourOptions {
  readonly steps: readonly DemoStep[];
  /** Stay until `signal` aborts, with everything running. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

/** Resolves when the story is told and everything it made is gone. Rejects with what went wrong, or the reason of `signal`; nothing is left then, either. */
export async function tour(output: Output, { steps, keep, signal }: TourOptions): Promise<void> {
  const startedAt = performance.now();
  const narrator = new Narrator(output);
  narrator.title("understudy: a service runs in a pod, and your laptop stands in for it");
  await using pod = await makePod(narrator, signal);
  const program = await startBeside(pod, narrator, signal);
  const before = await visitTarget({ pod, narrator, signal });
  const agent: HostPort = { host: pod.addresses.pod, port: AGENT_PORT };
  await using session = await connectAgent({ ...agent, signal });
  const stage: Stage = { pod, agent, session, before, narrator, output, signal };
  for (const { name, title, show } of steps) {
    signal.throwIfAborted();
    narrator.step(title, name);
    await show(stage);
  }
  if (keep) return await stay(stage);
  await leave(stage, program);
  await pod[Symbol.asyncDispose]();
  signal.throwIfAborted();
  summarize(narrator, performance.now() - startedAt);
}

async function makePod(narrator: Narrator, signal: AbortSignal): Promise<Pod> {
  narrator.step("A shop runs in a pod: network, processes and /etc of its own");
  const pod = await Pod.make(signal);
  const { pod: address, pod6, inside } = pod.addresses;
  narrator.fact("the shop", `http://${address}${pod.hasIpv6 ? ` and http://[${pod6}]` : ""}, process 1 of the pod`);
  narrator.fact("payments", `http://${inside}:${PAYMENTS_PORT}, for the pod only: this machine has no route to it`);
  return pod;
}

async function startBeside(pod: Pod, narrator: Narrator, signal: AbortSignal): Promise<Program> {
  narrator.step("The agent starts beside it, as an ephemeral container would");
  const startedAt = performance.now();
  narrator.fact("command", agentCommandLine);
  const { agent, readyLine } = await startAgent(pod, signal);
  narrator.fact("agent", `${readyLine}, after ${Math.round(performance.now() - startedAt)} ms`);
  return agent;
}

async function visitTarget(stage: Pick<Stage, "pod" | "narrator" | "signal">): Promise<Answer> {
  stage.narrator.step("As long as nobody steals, the shop answers everybody");
  const seen = await see(stage, coffee, SHOP);
  await see(stage, { ...coffee, headers: mine }, SHOP);
  return seen;
}

async function leave({ pod, session, narrator, signal }: Stage, agent: Program): Promise<void> {
  narrator.step("You leave. The agent ends with its last client, and no trace of it stays");
  await session[Symbol.asyncDispose]();
  narrator.fact("agent", `ended with ${await unlessAborted(agent.ended, signal)}`);
  const tables = await pod.filterTables();
  narrator.fact("rules", `nft list tables: ${tables.join(", ") || "none"}`);
  expect(tables.length === 0, `no rule to stay, not ${tables.join(", ")}`);
}

async function stay({ agent, session, narrator, signal }: Stage): Promise<void> {
  narrator.gap();
  narrator.title("All of it keeps running until Ctrl-C. From another terminal, beside the commands above:");
  narrator.text(`curl http://${agent.host}/products`);
  narrator.text(`bin/understudy steal ${SHOP_PORT} --to localhost:3000 --agent ${formatHostPort(agent)} --header '${MINE_FILTER}'`);
  narrator.text(`curl -H 'x-demo: me' http://${agent.host}/products        # answered by your server on port 3000`);
  // The session ends with the signal, or breaks.
  const lost = await session.closed;
  if (!signal.aborted) throw lost;
}

function summarize(narrator: Narrator, durationMs: number): void {
  narrator.gap();
  narrator.title(`Done in ${(durationMs / 1000).toFixed(1)} s; the pod is gone. What to try next`);
  narrator.text("bin/understudy demo --keep         the same pod, for your own curl and your own server");
  narrator.text("bin/understudy demo mirror tcp     steps alone; bin/understudy demo --list has their names");
  narrator.text("bin/understudy steal 80 --to localhost:3000 --agent HOST:61337 --header '^x-demo: me$'");
  narrator.text("                                   with an agent in a cluster, through kubectl port-forward");
  narrator.text("README.md                          how to use it with mirrord, and how it works");
}
