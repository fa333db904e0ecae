// A pod for tests: a network namespace with a link to the test's own, and a target in it as process 1 of a process and mount namespace of its own. The
// test process itself moves into the namespace at the other end of the link, so its sockets are those of a peer outside the pod.
// None of the namespaces has a name: all end with their processes, also when the test is killed.

import { type ChildProcessByStdio, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CLONE_NEWNET, setns } from "@understudy/native";
import { request, type RequestOptions, type Response } from "./http.ts";
import { nameServer, type TargetSaw } from "./ports.ts";

const run = promisify(execFile);

export const podIpv4 = "10.99.0.2";
export const podIpv6 = "fd99::2";
export const outsideIpv4 = "10.99.0.1";
export const outsideIpv6 = "fd99::1";

/** The target's group: another one than the agent's. */
const TARGET_GROUP = 3333;

/** A file of the target that the machine does not have, and what is in it. */
export const targetFile = { path: "/srv/understudy/where.txt", text: "in the target\n" } as const;

/** A file of the target with 1 GiB of zeros, none of which takes memory. */
export const targetBigFile = "/srv/understudy/big";

/** A variable of the target's process. */
export const targetVariable = { name: "UNDERSTUDY_PLACE", value: "target" } as const;

/** A name that only the target's hosts file knows. */
export const targetHost = { name: "database.understudy.test", address: "10.99.0.77" } as const;

/** Why pods cannot be made here; false where they can. In CI they must. */
export function podSkipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["ip", "nft", "setpriv", "unshare", "nsenter"]) {
    if (spawnSync(tool, ["--version"]).error) return `needs ${tool}`;
  }
  return false;
}

/** Makes the target's own files, hosts and resolver, which nobody else sees. */
const targetSetUp = `
  ip link set lo up
  mkdir -p /srv && mount -t tmpfs understudy /srv && mkdir /srv/understudy
  printf '${targetFile.text.replace("\n", "\\n")}' > ${targetFile.path}
  truncate -s 1G ${targetBigFile}
  printf '127.0.0.1 localhost\\n${targetHost.address} ${targetHost.name}\\n' > /srv/hosts
  printf 'nameserver ${nameServer.ip}\\noptions timeout:1 attempts:1\\n' > /srv/resolv.conf
  mount --bind /srv/hosts /etc/hosts
  mount --bind /srv/resolv.conf "$(readlink -f /etc/resolv.conf)"
`;

interface TargetAnswer {
  readonly id: number;
  readonly response?: Response;
  readonly error?: string;
}

export class Pod implements AsyncDisposable {
  readonly #target: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers = new Map<number, (answer: TargetAnswer) => void>();
  #lastId = 0;
  #pid = 0;

  private constructor() {
    const fixture = fileURLToPath(new URL("targetFixture.ts", import.meta.url));
    const node = [process.execPath, "--conditions=source", fixture];
    const script = `set -e; ${targetSetUp} exec setpriv --regid ${TARGET_GROUP} --clear-groups "$0" "$@"`;
    const namespaces = ["--net", "--pid", "--mount", "--fork", "--mount-proc"];
    this.#target = spawn("unshare", [...namespaces, "sh", "-c", script, ...node], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: process.env["PATH"], [targetVariable.name]: targetVariable.value },
      detached: true,
    });
    this.#target.stdin.on("error", () => undefined);
  }

  /** Makes a pod whose target serves already. */
  static async start(): Promise<Pod> {
    const pod = new Pod();
    try {
      await pod.#started();
      return pod;
    } catch (error) {
      await pod[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The target's process, as the test sees it. */
  get pid(): number {
    return this.#pid;
  }

  /** Runs a program in the pod's network, as the test's own group, and returns what it prints. */
  async exec(...command: readonly string[]): Promise<string> {
    const { stdout } = await run("nsenter", ["--target", String(this.#pid), "--net", "--", ...command], { timeout: 20_000 });
    return stdout;
  }

  /** Every rule and table of the pod's network that redirects anything, of all tools. */
  async redirectRules(): Promise<string[]> {
    const lists = [["nft", "list", "tables"], ...["iptables-legacy", "ip6tables-legacy"].map((tool) => [tool, "-t", "nat", "-S"])];
    const texts = await Promise.all(lists.map((list) => this.exec(...list).catch(() => "")));
    return texts.flatMap((text) => text.split("\n")).filter((line) => line !== "" && !line.startsWith("-P "));
  }

  /** Lets the target itself make a request, inside the pod. */
  async requestFromTarget(options: RequestOptions): Promise<Response> {
    const id = (this.#lastId += 1);
    const answer = new Promise<TargetAnswer>((resolve) => this.#answers.set(id, resolve));
    this.#target.stdin.write(`${JSON.stringify({ id, ...options })}\n`);
    const { response, error } = await answer;
    if (response === undefined) throw new Error(error);
    return response;
  }

  /** Ends the target and everything that shares its processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#target.exitCode !== null || this.#target.signalCode !== null) return;
    const exited = once(this.#target, "exit");
    this.#target.stdin.end();
    const killing = setTimeout(() => this.#pid > 0 && process.kill(this.#pid, "SIGKILL"), 5_000);
    await exited;
    clearTimeout(killing);
  }

  async #started(): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: this.#target.stdout }).on("line", (line) => {
        const message = JSON.parse(line) as TargetAnswer | { readonly ready: true };
        if ("ready" in message) return resolve();
        this.#answers.get(message.id)?.(message);
        this.#answers.delete(message.id);
      });
      this.#target.once("exit", (code) => reject(new Error(`the target ended with ${code}`)));
    });
    await ready;
    this.#pid = await onlyChild(this.#target.pid ?? 0);
    await moveOutside();
    const pid = String(this.#pid);
    // With the same index at both ends the kernel takes up to a second to notice that the link is up.
    await run("ip", ["link", "add", "eth0", "index", "7", "type", "veth", "peer", "name", "eth0", "netns", pid]);
    const setUp = (last: number): string =>
      `ip link set eth0 addrgenmode none; ip addr add 10.99.0.${last}/24 dev eth0; ip addr add fd99::${last}/64 dev eth0 nodad; ip link set eth0 up`;
    await Promise.all([run("sh", ["-ec", setUp(1)]), this.exec("sh", "-ec", setUp(2))]);
  }
}

/** What the target answered. */
export function targetSaw({ body }: Response): TargetSaw {
  return JSON.parse(body) as TargetSaw;
}

/** One request from outside to the target's HTTP port. */
export function get(path = "/", options: Partial<RequestOptions> = {}): Promise<Response> {
  return request({ host: podIpv4, path, ...options });
}

/** The only child of a process that forks once, such as unshare(1) and nsenter(1). */
export async function onlyChild(pid: number): Promise<number> {
  const { stdout } = await run("cat", [`/proc/${pid}/task/${pid}/children`]);
  const [child] = stdout.trim().split(" ");
  if (child === undefined || child === "") throw new Error(`process ${pid} has no child`);
  return Number(child);
}

/** Moves the test's thread into a new network namespace. Connections it has stay where they are. */
export async function moveOutside(): Promise<void> {
  const holder = spawn("unshare", ["--net", "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  const namespace = openSync(`/proc/${holder.pid}/ns/net`, "r");
  setns(namespace, CLONE_NEWNET);
  closeSync(namespace);
  const exited = once(holder, "exit");
  holder.stdin.end();
  await exited;
}
