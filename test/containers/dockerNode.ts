// A node with Docker's own daemon. Its containers have no network but their loopback, so peers are programs inside.

import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { containersSkipReason } from "./containerNode.ts";
import { sharedFolders, START_MS, targetProgram, TestNode } from "./testNode.ts";

/** It needs no rights over the machine's network, and nothing on its disk. */
const runtime = `
  dockerd --data-root /run/node/data --exec-root /run/node/exec --pidfile /run/node/pid --host unix:///run/docker.sock \
    --bridge none --iptables=false --ip6tables=false --storage-driver vfs --log-level error >/run/node/log 2>&1 &
`;

/** Why Docker cannot be run here; false where it can. In CI it must. */
export function dockerSkipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  return containersSkipReason() || (spawnSync("dockerd", ["--version"]).error === undefined ? false : "needs dockerd");
}

export class DockerNode extends TestNode {
  /** Starts a node; dockerd answers on return, and has an image. */
  static async start(): Promise<DockerNode> {
    const node = new DockerNode({ runtime, name: "understudy-docker" });
    await node.begin(
      () => Promise.resolve(),
      () => node.exec("sh", "-c", "tar -C /run/node/rootfs -c . | docker --host unix:///run/docker.sock import - understudy-test"),
    );
    return node;
  }

  /** What docker(1) prints, without the last line's end. */
  async docker(...parameters: readonly string[]): Promise<string> {
    return (await this.exec("docker", "--host", "unix:///run/docker.sock", ...parameters)).trim();
  }

  /** Starts a container with the target of `pod/targetFixture.ts`; returns its id. */
  async startContainer(name: string, variable: string): Promise<string> {
    const volumes = sharedFolders.flatMap((path) => ["--volume", `${path}:${path}:ro`]);
    const general = ["--detach", "--interactive", "--name", name, "--network", "none", "--cgroup-parent", `/${this.controlGroup}`];
    const command = ["/bin/sh", "-c", 'exec "$0" --conditions=source "$1"', process.execPath, targetProgram];
    const id = await this.docker("run", ...general, "--env", variable, ...volumes, "understudy-test", ...command);
    const until = performance.now() + START_MS;
    // It prints a line once it listens.
    while ((await this.docker("logs", name)) === "") {
      if (performance.now() > until) throw new Error(`container ${name} does not listen`);
      await sleep(50);
    }
    return id;
  }

  /** Runs a program in a container's network; returns what it prints, without the last line's end. */
  async execIn(name: string, ...command: readonly string[]): Promise<string> {
    const pid = await this.docker("inspect", "--format", "{{.State.Pid}}", name);
    return (await this.exec("nsenter", "--target", pid, "--net", "--", ...command)).trim();
  }
}
