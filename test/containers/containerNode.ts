// A node with containerd and runc, as a cluster's nodes have them. Its containers have networks of their own, each with a link to the test's, and the target of `pod/` in them.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { targetHost } from "../pod/pod.ts";
import { nameServer } from "../pod/ports.ts";
import { sharedFolders, START_MS, targetProgram, TestNode } from "./testNode.ts";

/** Where Kubernetes has its containers. */
const NAMESPACE = "k8s.io";

const config = `
version = 2
root = "/run/node/root"
state = "/run/node/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
`;

const runtime = `
  mkdir -p /run/containerd
  containerd --config /run/node/config.toml --log-level error >/run/node/log 2>&1 &
`;

/** Why containers cannot be run here; false where they can. In CI they must. */
export function containersSkipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["containerd", "ctr", "runc", "ip", "nft", "setpriv", "unshare", "nsenter"]) {
    if (spawnSync(tool, ["--version"]).error) return `needs ${tool}`;
  }
  return false;
}

export interface ContainerOptions {
  /** Variables of the container's specification. */
  readonly env?: Readonly<Record<string, string>>;
  /** Shell commands before the target is started in their place. */
  readonly before?: string;
  /** Capabilities beside those that containers have by default. */
  readonly capabilities?: readonly string[];
}

/** A container that runs; disposing it ends it. */
export interface Container extends AsyncDisposable {
  readonly id: string;
  /** Its main process, as the node sees it. */
  readonly pid: number;
  /** Kills its main process. Resolves when the runtime has removed the container. */
  kill(): Promise<void>;
}

export class ContainerNode extends TestNode {
  /** Starts a node; containerd answers on return. */
  static async start(): Promise<ContainerNode> {
    const node = new ContainerNode({ runtime, name: "understudy-test" });
    await node.begin(
      () => node.#writeFiles(),
      () => node.exec("ctr", "version"),
    );
    return node;
  }

  /** The same in a container's network. */
  execIn({ pid }: Container, ...command: readonly string[]): Promise<string> {
    return this.exec("nsenter", "--target", String(pid), "--net", "--", ...command);
  }

  /** Every rule and table of a container's network that redirects anything, of all tools. */
  async redirectRules(container: Container): Promise<string[]> {
    const lists = [["nft", "list", "tables"], ...["iptables-legacy", "ip6tables-legacy"].map((tool) => [tool, "-t", "nat", "-S"])];
    const texts = await Promise.all(lists.map((list) => this.execIn(container, ...list).catch(() => "")));
    return texts.flatMap((text) => text.split("\n")).filter((line) => line !== "" && !line.startsWith("-P "));
  }

  /** Starts a container with the target of `pod/targetFixture.ts`, at the addresses of the pod; one at a time has the link to the test. */
  async startContainer(id: string, { env = {}, before = "", capabilities = [] }: ContainerOptions = {}): Promise<Container> {
    const mounts = sharedFolders.flatMap((path) => ["--mount", `type=bind,src=${path},dst=${path},options=rbind:ro`]);
    const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const flags = ["--rm", "--rootfs", "--cgroup", `/${this.controlGroup}/${id}`, ...capabilities.flatMap((name) => ["--cap-add", name])];
    const target = ["/bin/sh", "-c", `${before}\nexec "$0" --conditions=source "$1"`, process.execPath, targetProgram];
    const command = ["ctr", "-n", NAMESPACE, "run", ...flags, ...mounts, ...variables, "/run/node/rootfs", id, ...target];
    const child = spawn("nsenter", this.entering(command), { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => undefined);
    const exited = once(child, "exit");
    const kill = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      await this.exec("ctr", "-n", NAMESPACE, "task", "kill", "--signal", "KILL", id).catch(() => undefined);
      // It removes the container once that has ended, and with it the control group.
      const killing = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await exited;
      clearTimeout(killing);
    };
    const end = async (): Promise<void> => {
      await kill();
      // It would go with the container's network, but later.
      await this.exec("ip", "link", "del", "eth0").catch(() => undefined);
    };
    const lines = createInterface({ input: child.stdout });
    const signal = AbortSignal.timeout(START_MS);
    await Promise.race([
      once(lines, "line", { signal }),
      exited.then(([code]) => Promise.reject(new Error(`ctr ended with ${String(code)}`))),
    ]);
    const tasks = await this.exec("ctr", "-n", NAMESPACE, "task", "ls");
    const pid = Number(new RegExp(`^${id}\\s+(\\d+)`, "m").exec(tasks)?.[1]);
    const container = { id, pid, kill, [Symbol.asyncDispose]: end };
    // With the same index at both ends the kernel takes up to a second to notice that the link is up.
    await this.exec("ip", "link", "add", "eth0", "index", "7", "type", "veth", "peer", "name", "eth0", "netns", String(pid));
    const setUp = (last: number): string =>
      `ip link set eth0 addrgenmode none; ip addr add 10.99.0.${last}/24 dev eth0; ip addr add fd99::${last}/64 dev eth0 nodad; ip link set eth0 up`;
    await Promise.all([this.exec("sh", "-ec", setUp(1)), this.execIn(container, "sh", "-ec", setUp(2))]);
    return container;
  }

  async #writeFiles(): Promise<void> {
    const etc = this.path("/run/node/rootfs/etc");
    await writeFile(this.path("/run/node/config.toml"), config);
    await writeFile(`${etc}/hosts`, `127.0.0.1 localhost\n${targetHost.address} ${targetHost.name}\n`);
    await writeFile(`${etc}/resolv.conf`, `nameserver ${nameServer.ip}\noptions timeout:1 attempts:1\n`);
  }
}
