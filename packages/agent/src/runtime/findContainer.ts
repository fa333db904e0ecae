// Finds a container's main process and its specified environment: by asking its runtime, at every socket where one may be, or by the names of control
// groups where no runtime can be asked. Runs in a process of its own (`lookUpChild.ts`), in the node's process namespace.

import { existsSync } from "node:fs";
import type { AskRuntime, ContainerAnswer } from "./containerAnswer.ts";
import { askContainerd } from "./containerd.ts";
import { findByControlGroup } from "./controlGroups.ts";
import { askCrio } from "./crio.ts";
import { askDocker } from "./docker.ts";
import { isKnownRuntime, type RuntimeName } from "./runtimeNames.ts";

export interface FindContainerOptions {
  readonly containerId: string;
  /** `containerd`, `docker` or `cri-o`. */
  readonly runtime: string;
  /** Where the node's `/run` and `/var` are mounted. */
  readonly hostRoot: string;
  /** Time for all answers, in ms. Default 5000. */
  readonly timeoutMs?: number;
}

/** What came of it. */
export type ContainerFinding =
  | { readonly kind: "found"; readonly answer: ContainerAnswer; readonly by: string; readonly problems: readonly string[] }
  | { readonly kind: "notFound"; readonly problems: readonly string[] };

interface Runtime {
  readonly ask: AskRuntime;
  /** Below the host's root. */
  readonly sockets: readonly string[];
}

const runtimes: Readonly<Record<RuntimeName, Runtime>> = {
  containerd: {
    ask: askContainerd,
    sockets: [
      "run/containerd/containerd.sock",
      "run/dockershim.sock",
      "run/k3s/containerd/containerd.sock",
      "var/snap/microk8s/common/run/containerd.sock",
      "run/k0s/containerd.sock",
    ],
  },
  docker: { ask: askDocker, sockets: ["run/docker.sock", "var/run/docker.sock"] },
  "cri-o": { ask: askCrio, sockets: ["run/crio/crio.sock"] },
};

/** Never rejects: what failed is among the problems. */
export async function findContainer({ containerId, runtime, hostRoot, timeoutMs = 5000 }: FindContainerOptions): Promise<ContainerFinding> {
  if (!isKnownRuntime(runtime)) return { kind: "notFound", problems: [`unknown container runtime ${JSON.stringify(runtime)}`] };
  const known = runtimes[runtime];
  const problems: string[] = [];
  const paths = known.sockets.map((socket) => `${hostRoot}/${socket}`).filter((path) => existsSync(path));
  if (paths.length === 0) problems.push(`no socket of ${runtime} below ${hostRoot}`);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]);
  // All at once: a socket that nobody answers at must not hold up the one that knows the container.
  const asking = paths.map(async (path) => {
    try {
      return { by: path, answer: await known.ask(path, { containerId, signal }) };
    } catch (error) {
      problems.push(`${path}: ${signal.aborted ? `no answer within ${timeoutMs} ms` : String(error)}`);
      throw error;
    }
  });
  try {
    return { kind: "found", ...(await Promise.any(asking)), problems };
  } catch {
    // Each has told its problem.
  } finally {
    stop.abort();
  }
  const pid = findByControlGroup(containerId);
  if (pid !== null) return { kind: "found", by: "control groups", answer: { pid, environment: null }, problems };
  return { kind: "notFound", problems: [...problems, "no process is in a control group of the container"] };
}
