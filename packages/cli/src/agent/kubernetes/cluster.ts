// The cluster of the user's kubeconfig file, and the few requests that are made of it. Nothing here knows what an agent is.

import { Observable } from "@kubernetes/client-node";
import type { AppsV1Api, BatchV1Api, CoreV1Api, KubeConfig, RequestContext, ResponseContext, V1Pod } from "@kubernetes/client-node";
import { failureText } from "../../failureText.ts";
import type { ClusterChoice } from "../agentChoice.ts";

/** The context that the library makes up where there is no file at all. */
const NO_FILE_CONTEXT = "loaded-context";

export interface Cluster {
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly batch: BatchV1Api;
  /** Where the target is, and the agent's job goes. */
  readonly namespace: string;
}

/**
 * Reads the kubeconfig file as kubectl does: `KUBECONFIG`, else `~/.kube/config`, else the service account of a pod.
 * @throws Error that says what is missing.
 */
export async function openCluster({ context, namespace }: ClusterChoice): Promise<Cluster> {
  // It is large: loaded only by who needs a cluster.
  const { AppsV1Api, BatchV1Api, CoreV1Api, KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (error) {
    // A YAML error shows the place on further lines.
    throw new Error(`cannot read the kubeconfig file: ${failureText(error).split("\n")[0]}`, { cause: error });
  }
  if (context !== null) {
    if (config.getContextObject(context) === null) {
      const known = config.getContexts().map(({ name }) => name);
      throw new Error(`the kubeconfig file has no context ${context}; it has ${known.length === 0 ? "none" : known.join(", ")}`);
    }
    config.setCurrentContext(context);
  }
  if (config.getCurrentCluster() === null || config.getCurrentContext() === NO_FILE_CONTEXT)
    throw new Error("no cluster is chosen: set KUBECONFIG or give --context NAME");
  return {
    config,
    core: config.makeApiClient(CoreV1Api),
    apps: config.makeApiClient(AppsV1Api),
    batch: config.makeApiClient(BatchV1Api),
    namespace: namespace ?? (config.getContextObject(config.getCurrentContext())?.namespace || "default"),
  };
}

type RequestOptions = NonNullable<Parameters<CoreV1Api["readNamespacedPod"]>[1]>;

/** For a request that ends, with the signal's reason, when `signal` aborts. */
export function until(signal: AbortSignal): RequestOptions {
  signal.throwIfAborted();
  const middleware = {
    pre: (request: RequestContext) => {
      request.setSignal(signal);
      return new Observable(Promise.resolve(request));
    },
    post: (response: ResponseContext) => new Observable(Promise.resolve(response)),
  };
  return { middleware: [middleware], middlewareMergeStrategy: "append" };
}

/** @throws Error with the server's own words, and the status code's meaning for who lacks rights. */
export async function asked<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw failed(what, error);
  }
}

/** An abort stays what it is. */
function failed(what: string, error: unknown): unknown {
  if (error instanceof Error && error.name === "AbortError") return error;
  return new Error(`cannot ${what}: ${serverText(error)}`, { cause: error });
}

/** The HTTP status of a refusal by the server; null for other failures. */
export function statusOf(error: unknown): number | null {
  // The code of an abort is none of HTTP.
  if (error instanceof DOMException) return null;
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : null;
}

function serverText(error: unknown): string {
  const status = statusOf(error);
  if (status === null) return unansweredText(error);
  return refusalText(status, statusMessage(error) ?? "");
}

/** `fetch` says in the cause what failed. */
function unansweredText(error: unknown): string {
  if (!(error instanceof Error) || error.cause === undefined) return failureText(error);
  return `the API server cannot be reached: ${failureText(error.cause)}`;
}

/** What a refusal means to the user. `status` is null where somebody else was refused, `message` is empty where the server gave no words. */
export function refusalText(status: number | null, message: string): string {
  const text = message === "" ? `the API server answers ${status}` : message;
  if (message.includes("violates PodSecurity")) return `${text} (agents need a namespace whose Pod Security level is privileged)`;
  if (status === 401) return `${text} (log in again)`;
  return status === 403 ? `${text} (ask for the rights, see deploy/README.md)` : text;
}

/** The `message` of the `Status` object that the server answers with. */
function statusMessage(error: unknown): string | null {
  if (!(error instanceof Error) || !("body" in error)) return null;
  try {
    const body: unknown = typeof error.body === "string" ? JSON.parse(error.body) : error.body;
    return typeof body === "object" && body !== null && "message" in body && typeof body.message === "string" ? body.message : null;
  } catch {
    return null;
  }
}

/** The pod as it is now; null when it is gone. */
export async function readPod({ core, namespace }: Cluster, name: string, signal: AbortSignal): Promise<V1Pod | null> {
  try {
    return await core.readNamespacedPod({ name, namespace }, until(signal));
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw failed(`read pod ${name}`, error);
  }
}
