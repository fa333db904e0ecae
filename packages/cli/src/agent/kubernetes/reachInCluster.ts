// Puts an agent beside a target in the cluster, and reaches it through the API server. A job is deleted when its user has done; an ephemeral container cannot be
// deleted: its agent leaves when its last client has.

import { setTimeout as sleep } from "node:timers/promises";
import type { V1Container, V1EphemeralContainer } from "@kubernetes/client-node";
import { failureText } from "../../failureText.ts";
import type { Output } from "../../output.ts";
import type { ClusterChoice } from "../agentChoice.ts";
import type { ReachedAgent } from "../reachAgent.ts";
import { agentEphemeralContainer, agentJob, type AgentSettings, newAgentSettings } from "./agentManifest.ts";
import { agentReady, type StartingAgent } from "./agentStart.ts";
import { asked, type Cluster, openCluster, readPod, refusalText, statusOf, until } from "./cluster.ts";
import { openPodStream } from "./podStream.ts";
import { findTarget, type TargetContainer, type TargetName } from "./targetContainer.ts";

/** How long a pod may take to come up, as the mirrord client has it. */
const START_MAX_MS = 60_000;
/** How long the agent waits for its first client, in seconds. */
const FIRST_CLIENT_MAX_S = 30;
/** How long removing a job may take. */
const CLEAN_UP_MAX_MS = 10_000;
/** How often a change of the pod by others may come between reading and writing it. */
const ADD_MAX_TRIES = 10;

export interface InClusterChoice {
  readonly target: TargetName;
  readonly cluster: ClusterChoice;
  /** The agent's container image. */
  readonly image: string;
  /** An ephemeral container in the target's pod instead of a job. */
  readonly isEphemeral: boolean;
}

type ClusterOutput = Pick<Output, "note" | "leftUnlessDone">;

/** @throws Error whose text is one sentence for the user. */
export async function reachInCluster(choice: InClusterChoice, output: ClusterOutput, signal: AbortSignal): Promise<ReachedAgent> {
  const cluster = await openCluster(choice.cluster);
  const target = await findTarget(cluster, choice.target, signal);
  const settings = newAgentSettings(choice.image, FIRST_CLIENT_MAX_S);
  const end = async (): Promise<void> => {
    if (!choice.isEphemeral) await deleteJob(cluster, settings.name, output);
  };
  try {
    const start = choice.isEphemeral ? startContainer : startJob;
    const started = await start(cluster, target, settings, signal);
    output.note(`the agent starts beside container ${target.container} of pod ${target.pod}`);
    const version = await agentReady(cluster, started, { maxMs: START_MAX_MS, signal, onState: (state) => output.note(state) });
    output.note(`the agent in pod ${started.pod} is ready, version ${version}`);
    return {
      name: `the agent in pod ${started.pod}`,
      connect: (connecting) => openPodStream(cluster, started.pod, settings.port, connecting),
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** What `reachInCluster` would make, as an object of the Kubernetes API; only reads. */
export async function describeInCluster(choice: InClusterChoice, signal: AbortSignal): Promise<object> {
  const cluster = await openCluster(choice.cluster);
  const target = await findTarget(cluster, choice.target, signal);
  const settings = newAgentSettings(choice.image, FIRST_CLIENT_MAX_S);
  if (!choice.isEphemeral) return agentJob(target, settings);
  return { spec: { ephemeralContainers: [agentEphemeralContainer(target, settings, await containerOf(cluster, target, signal))] } };
}

async function startJob(cluster: Cluster, target: TargetContainer, settings: AgentSettings, signal: AbortSignal): Promise<StartingAgent> {
  const { batch, core, namespace } = cluster;
  await asked(
    `make job ${settings.name} in namespace ${namespace}`,
    batch.createNamespacedJob({ namespace, body: agentJob(target, settings) }, until(signal)),
  );
  const endsAt = performance.now() + START_MAX_MS;
  // The job's controller makes the pod, in its own time.
  while (performance.now() < endsAt) {
    const { items } = await asked(
      `list the pods of job ${settings.name}`,
      core.listNamespacedPod({ namespace, labelSelector: `job-name=${settings.name}` }, until(signal)),
    );
    const pod = items[0]?.metadata?.name;
    if (pod !== undefined) return { pod, container: "mirrord-agent", isEphemeral: false };
    const refusal = await podRefusal(cluster, settings.name, signal);
    if (refusal !== null) throw new Error(`the cluster makes no pod for job ${settings.name}: ${refusal}`);
    await sleep(250, undefined, { signal });
  }
  throw new Error(`job ${settings.name} has no pod after ${START_MAX_MS / 1000} s: kubectl describe job ${settings.name} tells why`);
}

/** Why the job's controller could not make the pod; null when it did not try, or when the user may not read events. */
async function podRefusal({ core, namespace }: Cluster, job: string, signal: AbortSignal): Promise<string | null> {
  const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${job},reason=FailedCreate`;
  const { items } = await core.listNamespacedEvent({ namespace, fieldSelector }, until(signal)).catch(() => ({ items: [] }));
  const message = items.at(-1)?.message;
  return message === undefined ? null : refusalText(null, message);
}

/** Never rejects: where the cluster does not answer, or the user does not wait, it says what is left. Also for a job that may have been made. */
async function deleteJob({ batch, namespace }: Cluster, name: string, output: ClusterOutput): Promise<void> {
  const left = `job ${name} may be left in namespace ${namespace}: kubectl delete job ${name} --namespace ${namespace} removes it`;
  using _ = output.leftUnlessDone(left);
  try {
    // Its pod goes with it.
    const request = { name, namespace, propagationPolicy: "Background" };
    await asked(`delete job ${name}`, batch.deleteNamespacedJob(request, until(AbortSignal.timeout(CLEAN_UP_MAX_MS))));
  } catch (error) {
    // An agent whose last client has left has ended by itself, and its job a second later.
    if (error instanceof Error && statusOf(error.cause) === 404) return;
    output.note(failureText(error));
    output.note(left);
  }
}

async function startContainer(
  cluster: Cluster,
  target: TargetContainer,
  settings: AgentSettings,
  signal: AbortSignal,
): Promise<StartingAgent> {
  const container = agentEphemeralContainer(target, settings, await containerOf(cluster, target, signal));
  await asked(`add an ephemeral container to pod ${target.pod}`, addContainer(cluster, target.pod, container, signal));
  return { pod: target.pod, container: settings.name, isEphemeral: true };
}

/**
 * The list is replaced as a whole, and none may be missing from it. So the pod must be as it was read: where somebody changed it meanwhile, be it the
 * kubelet its status, it is read again.
 */
async function addContainer(
  { core, namespace }: Cluster,
  name: string,
  container: V1EphemeralContainer,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const body = await core.readNamespacedPodEphemeralcontainers({ name, namespace }, until(signal));
    if (body.spec !== undefined) body.spec.ephemeralContainers = [...(body.spec.ephemeralContainers ?? []), container];
    try {
      await core.replaceNamespacedPodEphemeralcontainers({ name, namespace, body }, until(signal));
      return;
    } catch (error) {
      if (statusOf(error) !== 409 || tries === ADD_MAX_TRIES) throw error;
    }
  }
}

async function containerOf(cluster: Cluster, { pod: name, container }: TargetContainer, signal: AbortSignal): Promise<V1Container> {
  const pod = await readPod(cluster, name, signal);
  const found = pod?.spec?.containers.find((one) => one.name === container);
  if (found === undefined) throw new Error(`pod ${name} has no container ${container} any more`);
  return found;
}
