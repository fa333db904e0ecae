// A real API server (apiserver/) and what a test needs of it: requests as the admin, watching, kubeconfig files of users. There is no controller and no kubelet:
// who uses it does their part by writing objects and statuses.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../cli/targetlessAgent.ts";

/** What `make test-cluster` builds. */
const program = fileURLToPath(new URL("../../dist/test-cluster/apiserver", import.meta.url));
const START_MAX_MS = 120_000;

/** An object of the API, as far as tests look at it. */
export interface KubeObject {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  /** Of a list. */
  readonly items?: readonly KubeObject[];
  /** Of a refusal. */
  readonly message?: string;
}

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly targetContainerName?: string;
}

interface PodSpec {
  nodeName?: string;
  readonly hostPID?: boolean;
  readonly containers: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
}

export interface Pod extends KubeObject {
  readonly spec: PodSpec;
  readonly status?: { readonly ephemeralContainerStatuses?: readonly object[] };
}

export interface Job extends KubeObject {
  readonly spec: { readonly template: { readonly metadata: object; readonly spec: PodSpec } };
}

export interface Answer {
  readonly status: number;
  readonly object: KubeObject;
}

export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #port: number;
  #authority = "";
  /** For the nodes. */
  kubeletPort = 0;

  private constructor(child: ChildProcess, folder: string, port: number) {
    this.#child = child;
    this.folder = folder;
    this.#port = port;
  }

  /** Starts it, ready on return. All forwarded ports lead to `agent`, and every container's log says that an agent is ready. */
  static async start(agent: string): Promise<TestCluster> {
    const folder = await mkdtemp(path.join(tmpdir(), "understudy-cluster-"));
    await writeFile(
      path.join(folder, "tokens"),
      'admin-token,admin,1,"system:masters"\ndeveloper-token,developer,2\nstranger-token,stranger,3\n',
    );
    await writeFile(path.join(folder, "agent.log"), "agent ready - version 1.2.3\n");
    const port = await freePort();
    const files = ["-dir", folder, "-tokens", path.join(folder, "tokens"), "-agent-log", path.join(folder, "agent.log")];
    const child = spawn(program, [...files, "-port", String(port), "-agent", agent], { stdio: ["ignore", "pipe", "pipe"] });
    const cluster = new TestCluster(child, folder, port);
    try {
      await cluster.#ready();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #ready(): Promise<void> {
    let said = "";
    this.#child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (said = (said + chunk).slice(-4000)));
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => (this.kubeletPort ||= Number(/^kubelet (\d+)$/.exec(line)?.[1])));
    const endsAt = performance.now() + START_MAX_MS;
    while (performance.now() < endsAt && this.#child.exitCode === null) {
      await sleep(200);
      this.#authority = await readFile(path.join(this.folder, "apiserver.crt"), "utf8").catch(() => "");
      const status =
        this.#authority === ""
          ? 0
          : await this.#send("GET", "/readyz").then(
              ({ statusCode }) => statusCode,
              () => 0,
            );
      if (status === 200) return;
    }
    throw new Error(`the API server is not ready:\n${said}`);
  }

  /** As the admin. A body of `PATCH` is a merge patch. */
  async request(method: string, where: string, body?: object): Promise<Answer> {
    const response = await this.#send(method, where, body);
    return { status: response.statusCode ?? 0, object: JSON.parse(await text(response)) as KubeObject };
  }

  /** `request`, where anything but success is an error. */
  async must(method: string, where: string, body?: object): Promise<KubeObject> {
    const { status, object } = await this.request(method, where, body);
    if (status < 200 || status > 299) throw new Error(`${method} ${where}: ${status} ${JSON.stringify(object)}`);
    return object;
  }

  /** The objects of a list as they are and as they change, until `signal` aborts. Not those that are deleted. */
  async *watch(where: string, signal: AbortSignal): AsyncGenerator<KubeObject> {
    const response = await this.#send("GET", `${where}?watch=1`);
    try {
      for await (const line of createInterface({ input: response, signal })) {
        const { type, object } = JSON.parse(line) as { type: string; object: KubeObject };
        if (type !== "DELETED") yield object;
      }
    } finally {
      response.destroy();
    }
  }

  async #send(method: string, where: string, body?: object): Promise<IncomingMessage> {
    const sent = request({
      host: "127.0.0.1",
      port: this.#port,
      ca: this.#authority,
      method,
      path: where,
      headers: {
        authorization: "Bearer admin-token",
        "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
      },
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.on("error", () => undefined);
    return response;
  }

  /** A kubeconfig file for a user in a namespace. `token` is the user's unless given. */
  async kubeconfig(user: string, namespace: string, token = `${user}-token`): Promise<string> {
    const file = path.join(this.folder, `${user}-${namespace}-${token}.json`);
    const cluster = { server: `https://127.0.0.1:${this.#port}`, "certificate-authority": path.join(this.folder, "apiserver.crt") };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster }],
      users: [{ name: user, user: { token } }],
      contexts: [{ name: "test", context: { cluster: "test", user, namespace } }],
      "current-context": "test",
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await exited;
    }
    await rm(this.folder, { recursive: true });
  }
}
