// The parts of a cluster that the test plays: what makes a job's pod, and what runs containers. They write what the job controller and a kubelet would write.

import type { Job, Pod, TestCluster } from "./testCluster.ts";

const startedAt = "2026-01-01T00:00:00Z";

function running(name: string): object {
  return {
    name,
    image: name,
    imageID: "",
    ready: true,
    restartCount: 0,
    containerID: `containerd://id-of-${name}`,
    state: { running: { startedAt } },
  };
}

/** A node whose kubelet is the cluster's own. */
export async function addNode(cluster: TestCluster, name: string): Promise<void> {
  await cluster.must("POST", "/api/v1/nodes", { metadata: { name } });
  const status = {
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port: cluster.kubeletPort } },
  };
  await cluster.must("PATCH", `/api/v1/nodes/${name}/status`, { status });
}

/** A pod that runs on `node-1`. */
export async function addTarget(cluster: TestCluster, namespace: string, name: string): Promise<void> {
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  await cluster.must("POST", pods, {
    metadata: { name, labels: { app: "web" } },
    spec: { nodeName: "node-1", containers: [{ name: "web", image: "web:1", env: [{ name: "COLOUR", value: "blue" }] }] },
  });
  await run(cluster, (await cluster.must("GET", `${pods}/${name}`)) as Pod);
}

/** All containers of a pod run from now on, as its kubelet reports it. */
export async function run(cluster: TestCluster, { metadata, spec }: Pod): Promise<void> {
  await cluster.must("PATCH", `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/status`, {
    status: {
      phase: "Running",
      podIP: "10.1.2.3",
      podIPs: [{ ip: "10.1.2.3" }],
      containerStatuses: spec.containers.map(({ name }) => running(name)),
      ephemeralContainerStatuses: (spec.ephemeralContainers ?? []).map(({ name }) => running(name)),
    },
  });
}

/** Plays the kubelet of ephemeral containers in a namespace until `signal` aborts. */
export async function runEphemeralContainers(cluster: TestCluster, namespace: string, signal: AbortSignal): Promise<void> {
  for await (const pod of cluster.watch(`/api/v1/namespaces/${namespace}/pods`, signal)) {
    const { spec, status } = pod as Pod;
    const reported = status?.ephemeralContainerStatuses ?? [];
    if ((spec.ephemeralContainers ?? []).length > reported.length) await run(cluster, pod as Pod);
  }
}

/**
 * Plays the job controller and the kubelet for all jobs of a namespace until `signal` aborts. A pod that is refused is reported in an event.
 * `onJob` gets every job as the API server keeps it.
 */
export async function runJobs(cluster: TestCluster, namespace: string, signal: AbortSignal, onJob: (job: Job) => void): Promise<void> {
  const seen = new Set<string>();
  for await (const job of cluster.watch(`/apis/batch/v1/namespaces/${namespace}/jobs`, signal)) {
    const { name } = job.metadata;
    if (seen.has(name)) continue;
    seen.add(name);
    onJob(job as Job);
    const { metadata, spec } = (job as Job).spec.template;
    const pod = { metadata: { ...metadata, name: `${name}-abcde` }, spec };
    const { status, object } = await cluster.request("POST", `/api/v1/namespaces/${namespace}/pods`, pod);
    if (status === 201) await run(cluster, object as Pod);
    else await reportFailedCreate(cluster, namespace, name, `Error creating: ${object.message}`);
  }
}

async function reportFailedCreate(cluster: TestCluster, namespace: string, job: string, message: string): Promise<void> {
  await cluster.must("POST", `/api/v1/namespaces/${namespace}/events`, {
    metadata: { name: `${job}.1` },
    involvedObject: { apiVersion: "batch/v1", kind: "Job", namespace, name: job },
    type: "Warning",
    reason: "FailedCreate",
    message,
  });
}
