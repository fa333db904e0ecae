// Finds the container that the agent is to serve: in a pod that is named, or in a pod of a deployment.

import type { V1ContainerStatus, V1LabelSelector, V1Pod } from "@kubernetes/client-node";
import { asked, type Cluster, readPod, until } from "./cluster.ts";

/** What stands between a service and its peers in a mesh. */
export type Mesh = "istio" | "istioCni" | "linkerd" | "kuma";

export interface TargetContainer {
  readonly pod: string;
  readonly node: string;
  readonly container: string;
  /** As the runtime knows it. */
  readonly containerId: string;
  readonly runtime: "containerd" | "docker" | "cri-o";
  readonly podIps: readonly string[];
  readonly mesh: Mesh | null;
  readonly sharesProcesses: boolean;
}

/** Containers that meshes and their like add: never the one that is meant. */
const sidecars = new Set(["istio-proxy", "linkerd-proxy", "kuma-sidecar", "istio-init", "vault-agent"]);

export interface TargetName {
  readonly kind: "pod" | "deployment";
  readonly name: string;
  /** Null: the first that is not a mesh's. */
  readonly container: string | null;
}

/** @throws Error that says what was not found and what there is. */
export async function findTarget(cluster: Cluster, { kind, name, container }: TargetName, signal: AbortSignal): Promise<TargetContainer> {
  const pod = kind === "pod" ? await readPod(cluster, name, signal) : await podOfDeployment(cluster, name, signal);
  if (pod === null) throw new Error(`there is no pod ${name} in namespace ${cluster.namespace}`);
  return targetIn(pod, container);
}

async function podOfDeployment({ apps, core, namespace }: Cluster, name: string, signal: AbortSignal): Promise<V1Pod> {
  const deployment = await asked(
    `read deployment ${name} in namespace ${namespace}`,
    apps.readNamespacedDeployment({ name, namespace }, until(signal)),
  );
  const labelSelector = selectorText(deployment.spec?.selector ?? {});
  const { items } = await asked(`list the pods of ${name}`, core.listNamespacedPod({ namespace, labelSelector }, until(signal)));
  const pod = items.find((one) => one.status?.phase === "Running" && one.metadata?.deletionTimestamp === undefined);
  if (pod === undefined) {
    const phases = items.map((one) => one.status?.phase ?? "Unknown");
    throw new Error(`deployment ${name} has no running pod; it has ${phases.length === 0 ? "none at all" : phases.join(", ")}`);
  }
  return pod;
}

/** As the API takes it in a query. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: V1LabelSelector): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`;
  });
  return [...labels, ...expressions].join(",");
}

function targetIn({ metadata, spec, status }: V1Pod, wanted: string | null): TargetContainer {
  const pod = metadata?.name ?? "";
  const statuses = status?.containerStatuses ?? [];
  const names = (spec?.containers ?? []).map(({ name }) => name);
  const container = wanted ?? names.find((name) => !sidecars.has(name)) ?? names[0];
  const found = statuses.find(({ name }) => name === container);
  if (container === undefined || !names.includes(container)) {
    throw new Error(`pod ${pod} has no container ${container ?? ""}; it has ${names.join(", ")}`);
  }
  if (found?.state?.running === undefined) throw new Error(`container ${container} of pod ${pod} does not run: ${stateText(found)}`);
  const id = /^([a-z-]+):\/\/(.+)$/.exec(found.containerID ?? "");
  if (id === null) throw new Error(`container ${container} of pod ${pod} has no id yet: try again`);
  return {
    pod,
    node: spec?.nodeName ?? "",
    container,
    containerId: id[2] ?? "",
    runtime: runtimeOf(id[1] ?? ""),
    podIps: (status?.podIPs ?? []).map(({ ip }) => ip),
    mesh: meshOf({ metadata, spec } as V1Pod),
    sharesProcesses: spec?.shareProcessNamespace === true,
  };
}

function runtimeOf(scheme: string): TargetContainer["runtime"] {
  if (scheme === "containerd" || scheme === "docker" || scheme === "cri-o") return scheme;
  throw new Error(`the agent does not know the container runtime ${scheme}: it knows containerd, docker and cri-o`);
}

function meshOf({ spec }: V1Pod): Mesh | null {
  const names = new Set([...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ name }) => name));
  if (names.has("linkerd-proxy")) return "linkerd";
  if (names.has("kuma-sidecar")) return "kuma";
  if (names.has("istio-validation")) return "istioCni";
  return names.has("istio-proxy") ? "istio" : null;
}

/** What keeps a container from running, in the cluster's words. */
export function stateText(status: V1ContainerStatus | undefined): string {
  const { waiting, terminated, running } = status?.state ?? {};
  if (waiting !== undefined) return [waiting.reason ?? "waiting", waiting.message].filter((part) => part !== undefined).join(": ");
  if (terminated !== undefined) {
    const parts = [`ended with exit code ${terminated.exitCode}`, terminated.reason, terminated.message];
    return parts.filter((part) => part !== undefined).join(", ");
  }
  return running === undefined ? "not created yet" : "runs";
}
