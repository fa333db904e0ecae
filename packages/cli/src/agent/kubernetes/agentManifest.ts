// The objects that put an agent into the cluster, with the fields, the order of variables and the rights that the mirrord client (3.250.0) gives them:
// a job of its own on the target's node, or an ephemeral container in the target's pod. Asks nobody.

import type { V1Container, V1EphemeralContainer, V1EnvVar, V1Job, V1SecurityContext } from "@kubernetes/client-node";
import type { TargetContainer } from "./targetContainer.ts";

export interface AgentSettings {
  /** `mirrord-agent-` and ten characters. */
  readonly name: string;
  readonly image: string;
  /** The agent's, in the pod. */
  readonly port: number;
  /** The group whose traffic the agent does not redirect, its own. */
  readonly group: number;
  /** How long it waits for a first client, in seconds. */
  readonly timeoutSeconds: number;
}

const outOfMeshes = { "sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled" };
const labels = { app: "mirrord", "kuma.io/sidecar-injection": "disabled" };
/** How long the agent stays after its last client, in seconds. */
const RECONNECT_MAX_S = 60;
const capabilities = ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"];

/** What a new agent is called and where it listens; `random` gives numbers from 0 to below 1. */
export function newAgentSettings(image: string, timeoutSeconds: number, random: () => number = Math.random): AgentSettings {
  const between = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  const suffix = Array.from({ length: 10 }, () => letters[between(0, letters.length - 1)]).join("");
  return { name: `mirrord-agent-${suffix}`, image, port: between(30_000, 65_535), group: between(3_000, 65_534), timeoutSeconds };
}

/** An agent in a pod of its own. */
export function agentJob(target: TargetContainer, settings: AgentSettings): V1Job {
  const metadata = { labels, annotations: outOfMeshes };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: settings.name, ...metadata },
    spec: {
      ttlSecondsAfterFinished: 1,
      backoffLimit: 0,
      template: {
        metadata,
        spec: {
          hostPID: true,
          nodeName: target.node,
          restartPolicy: "Never",
          tolerations: [{ operator: "Exists" }],
          volumes: [
            { name: "hostrun", hostPath: { path: "/run" } },
            { name: "hostvar", hostPath: { path: "/var" } },
          ],
          containers: [jobContainer(target, settings)],
        },
      },
    },
  };
}

function jobContainer(target: TargetContainer, settings: AgentSettings): V1Container {
  return {
    name: "mirrord-agent",
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    command: ["./mirrord-agent"],
    args: [...baseArguments(settings), "targeted", "--container-id", target.containerId, "--container-runtime", target.runtime],
    env: [...variables(target), ...meshVariables(target)],
    resources: { requests: { cpu: "1m", memory: "1Mi" }, limits: { cpu: "1", memory: "100Mi" } },
    securityContext: securityContext(settings),
    volumeMounts: [
      { name: "hostrun", mountPath: "/host/run" },
      { name: "hostvar", mountPath: "/host/var" },
    ],
  };
}

/** An agent in the target's pod. `given` is the target's own container: its variables come after the agent's. */
export function agentEphemeralContainer(target: TargetContainer, settings: AgentSettings, given: V1Container): V1EphemeralContainer {
  const targetId: V1EnvVar[] = target.sharesProcesses
    ? [{ name: "MIRRORD_AGENT_EPHEMERAL_TARGET_CONTAINER_ID", value: target.containerId }]
    : [];
  return {
    name: settings.name,
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    targetContainerName: target.container,
    command: ["./mirrord-agent"],
    args: [...baseArguments(settings), "ephemeral"],
    env: [...variables(target), ...meshVariables(target), ...targetId, ...(given.env ?? [])],
    ...(given.envFrom === undefined ? {} : { envFrom: given.envFrom }),
    securityContext: securityContext(settings),
  };
}

function baseArguments({ port, timeoutSeconds }: AgentSettings): string[] {
  return ["-l", String(port), "-t", String(timeoutSeconds)];
}

function securityContext({ group }: AgentSettings): V1SecurityContext {
  return { runAsGroup: group, privileged: false, capabilities: { add: capabilities } };
}

function variables({ podIps }: TargetContainer): V1EnvVar[] {
  const before: [string, string][] = [
    ["RUST_LOG", "info"],
    ["MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS", "true"],
    ["MIRRORD_AGENT_JSON_LOG", "true"],
    ["MIRRORD_AGENT_PASSTHROUGH_MIRRORING", "true"],
    ["MIRRORD_MAX_BODY_BUFFER_SIZE", "65535"],
    ["MIRRORD_MAX_BODY_BUFFER_TIMEOUT", "1000"],
    ["MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT", "2"],
    ["MIRRORD_JAQ_TIME_LIMIT", "1"],
  ];
  const ips: [string, string][] = podIps.length === 0 ? [] : [["MIRRORD_AGENT_POD_IPS", podIps.join(",")]];
  const after: [string, string][] = [
    // A connection that broke is made again: the agent waits for it.
    ["MIRRORD_AGENT_IDLE_TTL", String(RECONNECT_MAX_S)],
    ["MIRRORD_AGENT_EXTERNAL_IP_FIX", "true"],
    ["MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL", "true"],
  ];
  return [...before, ...ips, ...after].map(([name, value]) => ({ name, value }));
}

function meshVariables({ mesh }: TargetContainer): V1EnvVar[] {
  if (mesh === null) return [];
  const inMesh = { name: "MIRRORD_AGENT_IN_SERVICE_MESH", value: "true" };
  return mesh === "istioCni" ? [inMesh, { name: "MIRRORD_AGENT_ISTIO_CNI", value: "true" }] : [inMesh];
}
