// A node for tests with Docker's own daemon, in a process and mount namespace of its own. Its containers have no network but their loopback, so peers are
// programs inside. Everything ends with the node's process 1, thus with the test, also when that is killed.

import { type ChildProcessByStdio, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { moveOutside, onlyChild, targetFile } from "../pod/pod.ts";
import { containersSkipReason } from "./containerNode.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const target = fileURLToPath(new URL("../pod/targetFixture.ts", import.meta.url));
const START_MS = 20_000;

/** It needs no rights over the machine's network, and nothing on its disk. */
const nodeSetUp = `
  mount -t tmpfs understudy /run
  mkdir -p /run/node/rootfs
  echo ready
  read -r _
  dockerd --data-root /run/node/data --exec-root /run/node/exec --pidfile /run/node/pid --host unix:///run/docker.sock \
    --bridge none --iptables=false --ip6tables=false --storage-driver vfs --log-level error >/run/node/log 2>&1 &
  exec cat
`;

/** Why Docker cannot be run here; false where it can. In CI it must. */
export function dockerSkipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  return containersSkipReason() || (spawnSync("dockerd", ["--version"]).error === undefined ? false : "needs dockerd");
}

export class DockerNode implements AsyncDisposable {
  readonly #init: ChildProcessByStdio<Writable, Readable, null>;
  readonly #controlGroup = `understudy-docker-${process.pid}`;
  #pid = 0;

  private constructor() {
    const namespaces = ["--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];
    this.#init = spawn("unshare", [...namespaces, "sh", "-ec", nodeSetUp], { stdio: ["pipe", "pipe", "inherit"], detached: true });
    this.#init.stdin.on("error", () => undefined);
  }

  /** Starts a node; dockerd answers on return, and has an image. */
  static async start(): Promise<DockerNode> {
    const node = new DockerNode();
    try {
      await node.#start();
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The node's process 1, as the test sees it. */
  get pid(): number {
    return this.#pid;
  }

  /** Where a process of the node finds the node's files, as an agent's pod has them at `/host`. */
  readonly hostRoot = "/proc/1/root";

  /** Runs a program on the node, and returns what it prints. */
  async exec(...command: readonly string[]): Promise<string> {
    const { stdout } = await run("nsenter", ["--target", String(this.#pid), "--pid", "--mount", "--", ...command], { timeout: 20_000 });
    return stdout.trim();
  }

  docker(...parameters: readonly string[]): Promise<string> {
    return this.exec("docker", "--host", "unix:///run/docker.sock", ...parameters);
  }

  /** Starts a container with the target of `pod/targetFixture.ts`; returns its id. */
  async startContainer(name: string, variable: string): Promise<string> {
    const volumes = ["/usr", "/lib", "/lib64", "/bin", repository].flatMap((path) => ["--volume", `${path}:${path}:ro`]);
    const general = ["--detach", "--interactive", "--name", name, "--network", "none", "--cgroup-parent", `/${this.#controlGroup}`];
    const command = ["/bin/sh", "-c", 'exec "$0" --conditions=source "$1"', process.execPath, target];
    const id = await this.docker("run", ...general, "--env", variable, ...volumes, "understudy-test", ...command);
    const until = performance.now() + START_MS;
    // It prints a line once it listens.
    while ((await this.docker("logs", name)) === "") {
      if (performance.now() > until) throw new Error(`container ${name} does not listen`);
      await sleep(50);
    }
    return id;
  }

  /** Runs a program in a container's network. */
  async execIn(name: string, ...command: readonly string[]): Promise<string> {
    const pid = await this.docker("inspect", "--format", "{{.State.Pid}}", name);
    return await this.exec("nsenter", "--target", pid, "--net", "--", ...command);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#init, "exit");
    this.#init.stdin.end();
    await exited;
    const groups = `/sys/fs/cgroup/${this.#controlGroup} /sys/fs/cgroup/*/${this.#controlGroup}`;
    await run("sh", ["-c", `for path in ${groups}; do rmdir $path/* $path; done 2>/dev/null; true`]);
  }

  async #start(): Promise<void> {
    await once(this.#init.stdout, "data");
    this.#pid = await onlyChild(this.#init.pid ?? 0);
    await moveOutside();
    await run("ip", ["link", "set", "lo", "up"]);
    const root = `/proc/${this.#pid}/root/run/node/rootfs`;
    for (const directory of ["etc", "srv/understudy", "tmp"]) await mkdir(`${root}/${directory}`, { recursive: true });
    await writeFile(`${root}${targetFile.path}`, targetFile.text);
    this.#init.stdin.write("\n");
    const until = performance.now() + START_MS;
    for (;;) {
      try {
        await this.docker("version");
        break;
      } catch (error) {
        if (performance.now() > until) throw new Error("dockerd does not start", { cause: error });
        await sleep(50);
      }
    }
    const image = "tar -C /run/node/rootfs -c . | docker --host unix:///run/docker.sock import - understudy-test";
    await this.exec("sh", "-c", image);
  }
}
