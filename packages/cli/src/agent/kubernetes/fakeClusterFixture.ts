// An API server for tests: keeps the objects of one namespace, lets a test decide how an agent's pod comes up, and forwards ports to where the test says.
// It answers with the objects, lists and `Status` refusals of the real API; there is no scheduler and no kubelet behind it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { json } from "node:stream/consumers";
import type { V1ContainerStatus, V1Deployment, V1Job, V1LabelSelector, V1Pod, V1PodStatus } from "@kubernetes/client-node";
import { type WebSocket, WebSocketServer } from "ws";

const NAMESPACE = "shop";

/** How the pod of a new agent is: asked anew each time the pod is read. `container` is what an ephemeral agent is called. */
export type AgentStates = (reads: number, container: string) => V1PodStatus;

export class FakeCluster implements AsyncDisposable {
  readonly pods = new Map<string, V1Pod>();
  readonly jobs = new Map<string, V1Job>();
  readonly deployments = new Map<string, V1Deployment>();
  readonly #server: Server;
  /** Takes smaller messages than the kubelet (32 MiB), so that a test need not send so much. */
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "v4.channel.k8s.io", maxPayload: 4 * 1024 * 1024 });
  readonly #folder: string;
  #agentStates: AgentStates = () => ({ phase: "Pending" });
  #agentPods = new Map<string, number>();
  #log = "";
  #forwardTo: number | null = null;
  /** By what labels pods were listed. */
  readonly selectors: string[] = [];
  /** Requests by method and path. */
  readonly asked: string[] = [];
  /** `POST` and such that are refused, with the server's words. */
  readonly refusals = new Map<string, { readonly code: number; readonly message: string }>();
  /** Requests, by method and path, that are never answered; the function is called with each. */
  readonly hangs = new Map<string, () => void>();
  /** The status that forwarding a port is refused with. */
  refusedUpgrade: number | null = null;
  /** Why no job gets a pod. */
  podRefusal: string | null = null;
  /** Called before a pod's ephemeral containers are replaced. */
  beforeReplace: (pod: V1Pod) => void = () => undefined;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
    server.on("request", (request, response) => void this.#answer(request, response));
    server.on("upgrade", (request, socket, head) => {
      this.asked.push(`UPGRADE ${request.url ?? ""}`);
      if (this.refusedUpgrade === null) this.#sockets.handleUpgrade(request, socket, head, (client) => this.#forward(client));
      else socket.end(`HTTP/1.1 ${this.refusedUpgrade} Refused\r\ncontent-length: 0\r\n\r\n`);
    });
  }

  static async start(): Promise<FakeCluster> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FakeCluster(server, await mkdtemp(path.join(tmpdir(), "understudy-cluster-")));
  }

  /** A kubeconfig file that names it as context `fake`. */
  async kubeconfig(): Promise<string> {
    const file = path.join(this.#folder, "config");
    const { port } = this.#server.address() as AddressInfo;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "fake", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "me", user: { token: "secret" } }],
      contexts: [{ name: "fake", context: { cluster: "fake", user: "me", namespace: NAMESPACE } }],
      "current-context": "fake",
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  }

  /** A pod with one container that runs, and a mesh's sidecar before it. */
  addTarget(name: string, { status = "Running", sidecar = false }: { readonly status?: string; readonly sidecar?: boolean } = {}): V1Pod {
    const containers = [...(sidecar ? ["istio-proxy"] : []), "web"].map((one) => ({
      name: one,
      image: one,
      env: [{ name: "COLOUR", value: one }],
    }));
    const pod: V1Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: NAMESPACE, labels: { app: "web" }, resourceVersion: "7" },
      spec: { nodeName: "node-1", containers },
      status: {
        phase: status,
        podIPs: [{ ip: "10.1.2.3" }],
        containerStatuses: containers.map((one) => containerStatus(one.name, { running: {} }, `containerd://id-of-${one.name}`)),
      },
    };
    this.pods.set(name, pod);
    return pod;
  }

  addDeployment(name: string, selector: V1LabelSelector = { matchLabels: { app: "web" } }): void {
    const template = { metadata: { labels: { app: "web" } }, spec: { containers: [] } };
    this.deployments.set(name, { metadata: { name }, spec: { selector, template } });
  }

  /** What becomes of agents, what they print, and where their port leads. */
  agents({ states, log = "", forwardTo = null }: { states: AgentStates; log?: string; forwardTo?: number | null }): void {
    this.#agentStates = states;
    this.#log = log;
    this.#forwardTo = forwardTo;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://fake");
    const { method = "" } = request;
    this.asked.push(`${method} ${url.pathname}`);
    const hang = [...this.hangs].find(([start]) => `${method} ${url.pathname}`.startsWith(start));
    if (hang !== undefined) return hang[1]();
    const refusal = this.refusals.get(`${method} ${url.pathname}`);
    const body = method === "POST" || method === "PUT" ? await json(request) : null;
    if (refusal !== undefined) return reply(response, refusal.code, statusObject(refusal.code, refusal.message));
    const [, kind = "", name = "", sub = ""] = /\/namespaces\/shop\/(\w+)\/?([^/]*)\/?(.*)$/.exec(url.pathname) ?? [];
    switch (`${method} ${kind} ${sub}`) {
      case "GET deployments ":
        return replyObject(response, this.deployments.get(name), `deployments.apps "${name}" not found`);
      case "GET pods ":
        if (name !== "") return replyObject(response, this.#podNow(name), `pods "${name}" not found`);
        return reply(response, 200, { kind: "PodList", apiVersion: "v1", metadata: {}, items: this.#podsWith(url) });
      case "GET pods log":
        response.writeHead(200, { "content-type": "text/plain" }).end(this.#log);
        return;
      case "GET pods ephemeralcontainers":
        return replyObject(response, this.pods.get(name), `pods "${name}" not found`);
      case "PUT pods ephemeralcontainers":
        return this.#replacePod(response, name, body as V1Pod);
      case "GET events ":
        return reply(response, 200, { kind: "EventList", apiVersion: "v1", metadata: {}, items: this.#events(url) });
      case "POST jobs ":
        this.#makeJob(body as V1Job);
        return reply(response, 201, body as object);
      case "DELETE jobs ":
        this.#deleteJob(name);
        return reply(response, 200, { kind: "Status", apiVersion: "v1", status: "Success" });
      default:
        return reply(response, 404, statusObject(404, "the server could not find the requested resource"));
    }
  }

  #replacePod(response: ServerResponse, name: string, pod: V1Pod): void {
    const old = this.pods.get(name);
    if (old !== undefined) this.beforeReplace(old);
    const version = old?.metadata?.resourceVersion;
    if (pod.metadata?.resourceVersion !== version) {
      return reply(response, 409, statusObject(409, `Operation cannot be fulfilled on pods "${name}": the object has been modified`));
    }
    if (pod.metadata !== undefined) pod.metadata.resourceVersion = `${Number(version) + 1}`;
    this.pods.set(name, pod);
    this.#agentPods.set(name, 0);
    reply(response, 200, pod);
  }

  #events(url: URL): object[] {
    if (this.podRefusal === null) return [];
    const name = /involvedObject\.name=([^,]+)/.exec(url.searchParams.get("fieldSelector") ?? "")?.[1];
    return [{ metadata: {}, involvedObject: { kind: "Job", name }, reason: "FailedCreate", message: this.podRefusal }];
  }

  #makeJob(job: V1Job): void {
    const name = job.metadata?.name ?? "";
    this.jobs.set(name, job);
    if (this.podRefusal !== null) return;
    const pod = `${name}-abcde`;
    const { spec, metadata } = job.spec?.template ?? {};
    this.pods.set(pod, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod, labels: { ...metadata?.labels, "job-name": name } },
      ...(spec === undefined ? {} : { spec }),
    });
    this.#agentPods.set(pod, 0);
  }

  #deleteJob(name: string): void {
    this.jobs.delete(name);
    this.pods.delete(`${name}-abcde`);
  }

  #podNow(name: string): V1Pod | undefined {
    const pod = this.pods.get(name);
    const reads = this.#agentPods.get(name);
    if (pod === undefined || reads === undefined) return pod;
    this.#agentPods.set(name, reads + 1);
    const container = pod.spec?.ephemeralContainers?.at(-1)?.name ?? "mirrord-agent";
    pod.status = Object.assign(pod.status ?? {}, this.#agentStates(reads, container));
    return pod;
  }

  /** Understands `key=value` only. */
  #podsWith(url: URL): V1Pod[] {
    const selector = url.searchParams.get("labelSelector") ?? "";
    this.selectors.push(selector);
    const wanted = selector.split(",").filter((part) => /^[\w-]+=/.test(part));
    const has = ({ metadata }: V1Pod): boolean => wanted.every((one) => metadata?.labels?.[one.split("=")[0] ?? ""] === one.split("=")[1]);
    return [...this.pods.values()].filter(has);
  }

  /** As the kubelet does it: one byte for the channel, and in each channel's first message the port. */
  #forward(client: WebSocket): void {
    const portBytes = Buffer.from([0, 0]);
    client.send(Buffer.concat([Buffer.of(0), portBytes]));
    client.send(Buffer.concat([Buffer.of(1), portBytes]));
    if (this.#forwardTo === null) {
      client.send(Buffer.concat([Buffer.of(1), Buffer.from("connection refused")]));
      client.close();
      return;
    }
    const socket = connect({ host: "127.0.0.1", port: this.#forwardTo });
    socket.on("data", (chunk: Buffer) => client.send(Buffer.concat([Buffer.of(0), chunk])));
    socket.on("close", () => client.close());
    socket.on("error", () => client.close());
    client.on("message", (message: Buffer) => socket.write(message.subarray(1)));
    client.on("close", () => socket.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true });
  }
}

export function containerStatus(name: string, state: object, containerID = ""): V1ContainerStatus {
  return { name, state, containerID, image: name, imageID: "", ready: true, restartCount: 0 };
}

function statusObject(code: number, message: string): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code };
}

function replyObject(response: ServerResponse, object: object | undefined, missing: string): void {
  if (object === undefined) reply(response, 404, statusObject(404, missing));
  else reply(response, 200, object);
}

function reply(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}
