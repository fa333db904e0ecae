// Waits until an agent that was put into the cluster listens, and tells why it does not come up.

import { setTimeout as sleep } from "node:timers/promises";
import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { asked, type Cluster, readPod, until } from "./cluster.ts";
import { stateText } from "./targetContainer.ts";

/** What the agent prints when it listens: for scripts, so it does not change. */
const readyLine = /agent ready(?: - version ([\w.+-]+))?/;
const POLL_MS = 500;
/** Reasons that waiting does not change. */
const hopeless = new Set(["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"]);

export interface StartingAgent {
  readonly pod: string;
  readonly container: string;
  /** Its states are kept apart from those of containers. */
  readonly isEphemeral: boolean;
}

/** Called when what it waits for changes. */
type OnState = (text: string) => void;

/**
 * Resolves with the agent's version, as it says it.
 * @throws Error with the state of pod and container, the last lines of its log and what to do.
 */
export async function agentReady(
  cluster: Cluster,
  agent: StartingAgent,
  { maxMs, signal, onState }: { readonly maxMs: number; readonly signal: AbortSignal; readonly onState: OnState },
): Promise<string> {
  const endsAt = performance.now() + maxMs;
  let told = "";
  for (;;) {
    const pod = await readPod(cluster, agent.pod, signal);
    if (pod === null) throw new Error(`pod ${agent.pod} is gone: it was deleted while the agent started`);
    const status = statusIn(pod, agent);
    if (status?.state?.running !== undefined) {
      const ready = readyLine.exec(await logOf(cluster, agent, signal));
      if (ready !== null) return ready[1] ?? "unknown";
    }
    const state = whyNot(pod, status);
    const ended = status?.state?.terminated !== undefined || pod.status?.phase === "Failed";
    if (ended) throw new Error(`the agent in pod ${agent.pod} does not run: ${state}${await lastLines(cluster, agent, signal)}`);
    if (hopeless.has(status?.state?.waiting?.reason ?? "")) throw new Error(`the agent in pod ${agent.pod} cannot start: ${state}`);
    if (performance.now() > endsAt) {
      throw new Error(
        `the agent in pod ${agent.pod} was not ready within ${maxMs / 1000} s: ${state}${await lastLines(cluster, agent, signal)}`,
      );
    }
    if (state !== told) onState(state);
    told = state;
    await sleep(POLL_MS, undefined, { signal });
  }
}

function statusIn({ status }: V1Pod, { container, isEphemeral }: StartingAgent): V1ContainerStatus | undefined {
  const statuses = isEphemeral ? status?.ephemeralContainerStatuses : status?.containerStatuses;
  return statuses?.find(({ name }) => name === container);
}

/** The nearest cause: the container's, else the scheduler's, else the pod's. */
function whyNot({ status }: V1Pod, container: V1ContainerStatus | undefined): string {
  if (container?.state?.running !== undefined) return "it runs, but has not said that it is ready";
  if (container?.state !== undefined) return stateText(container);
  const unscheduled = status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (unscheduled !== undefined) return `no node takes it: ${unscheduled.message ?? unscheduled.reason ?? "no reason given"}`;
  const reasons = [status?.reason, status?.message].filter((part) => part !== undefined);
  return reasons.length === 0 ? `the pod is ${status?.phase ?? "not there yet"}` : reasons.join(": ");
}

async function logOf({ core, namespace }: Cluster, { pod, container }: StartingAgent, signal: AbortSignal): Promise<string> {
  const request = { name: pod, namespace, container, tailLines: 100 };
  return await asked(`read the log of pod ${pod}`, core.readNamespacedPodLog(request, until(signal)));
}

/** For the account of a failure; nothing where there is no log. */
async function lastLines(cluster: Cluster, agent: StartingAgent, signal: AbortSignal): Promise<string> {
  const log = await logOf(cluster, agent, signal).catch(() => "");
  const lines = log.trim().split("\n").slice(-3);
  return lines.join("") === "" ? "" : `; it said: ${lines.join(" | ")}`;
}
