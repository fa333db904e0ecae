// A node for tests: containerd with runc, as a cluster's node has them, in a process and mount namespace of its own, where nobody else meets them. Its
// containers have networks of their own, each with a link to the test's, and the target of `pod/` in them. Everything ends with the node's process 1, thus
// with the test, also when that is killed.

import { type ChildProcessByStdio, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { moveOutside, onlyChild, targetFile, targetHost } from "../pod/pod.ts";
import { nameServer } from "../pod/ports.ts";

const run = promisify(execFile);

const repository = fileURLToPath(new URL("../..", import.meta.url));

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

/** In the mount namespace of the node only. */
const nodeSetUp = `
  mount -t tmpfs understudy /run
  mkdir -p /run/containerd /run/node/rootfs
  echo ready
  read -r _
  containerd --config /run/node/config.toml --log-level error >/run/node/log 2>&1 &
  exec cat
`;

const START_MS = 15_000;

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

export class ContainerNode implements AsyncDisposable {
  readonly #init: ChildProcessByStdio<Writable, Readable, null>;
  readonly #controlGroup = `understudy-test-${process.pid}`;
  #pid = 0;

  private constructor() {
    const namespaces = ["--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];
    this.#init = spawn("unshare", [...namespaces, "sh", "-ec", nodeSetUp], { stdio: ["pipe", "pipe", "inherit"], detached: true });
    this.#init.stdin.on("error", () => undefined);
  }

  /** Starts a node; containerd answers on return. */
  static async start(): Promise<ContainerNode> {
    const node = new ContainerNode();
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

  /** Where a process in the node's process namespace finds the node's files, as an agent's pod has them at `/host`. */
  readonly hostRoot = "/proc/1/root";

  /** A path of the node, for the test. */
  path(path: string): string {
    return `/proc/${this.#pid}/root${path}`;
  }

  /** Runs a program on the node, in the test's network, and returns what it prints. */
  async exec(...command: readonly string[]): Promise<string> {
    const { stdout } = await run("nsenter", this.#entering(command), { timeout: 20_000 });
    return stdout;
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
    const fixture = fileURLToPath(new URL("../pod/targetFixture.ts", import.meta.url));
    const mounts = ["/usr", "/lib", "/lib64", "/bin", repository].flatMap((path) => {
      const at = path.replace(/\/$/, "");
      return ["--mount", `type=bind,src=${at},dst=${at},options=rbind:ro`];
    });
    const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const flags = ["--rm", "--rootfs", "--cgroup", `/${this.#controlGroup}/${id}`, ...capabilities.flatMap((name) => ["--cap-add", name])];
    const target = ["/bin/sh", "-c", `${before}\nexec "$0" --conditions=source "$1"`, process.execPath, fixture];
    const command = ["ctr", "-n", NAMESPACE, "run", ...flags, ...mounts, ...variables, "/run/node/rootfs", id, ...target];
    const child = spawn("nsenter", this.#entering(command), { stdio: ["pipe", "pipe", "inherit"] });
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

  /** Ends everything of the node. */
  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#init, "exit");
    this.#init.stdin.end();
    await exited;
    await run("sh", [
      "-c",
      `for path in /sys/fs/cgroup /sys/fs/cgroup/*; do rmdir $path/${this.#controlGroup}/* $path/${this.#controlGroup}; done 2>/dev/null; true`,
    ]);
  }

  async #start(): Promise<void> {
    await once(this.#init.stdout, "data");
    this.#pid = await onlyChild(this.#init.pid ?? 0);
    await moveOutside();
    await run("ip", ["link", "set", "lo", "up"]);
    await writeFile(this.path("/run/node/config.toml"), config);
    await this.#makeRoot();
    this.#init.stdin.write("\n");
    const deadline = performance.now() + START_MS;
    for (;;) {
      try {
        await this.exec("ctr", "version");
        return;
      } catch (error) {
        if (performance.now() > deadline) throw new Error("containerd does not start", { cause: error });
        await sleep(50);
      }
    }
  }

  /** The root directory of containers: little of its own, the rest is mounted. */
  async #makeRoot(): Promise<void> {
    const root = this.path("/run/node/rootfs");
    for (const directory of ["etc", "srv/understudy", "tmp"]) await mkdir(`${root}/${directory}`, { recursive: true });
    await writeFile(`${root}${targetFile.path}`, targetFile.text);
    await writeFile(`${root}/etc/hosts`, `127.0.0.1 localhost\n${targetHost.address} ${targetHost.name}\n`);
    await writeFile(`${root}/etc/resolv.conf`, `nameserver ${nameServer.ip}\noptions timeout:1 attempts:1\n`);
  }

  #entering(command: readonly string[]): string[] {
    return ["--target", String(this.#pid), "--pid", "--mount", "--", ...command];
  }
}
