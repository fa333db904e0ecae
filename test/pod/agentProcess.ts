// The agent as a process in a pod, as an ephemeral container has it: the target's network and processes, a mount namespace and a group of its own.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type ConnectAgentOptions, connectAgent, type Session } from "@understudy/client";
import { onlyChild, type Pod, podIpv4 } from "./pod.ts";

/** The agent's group: what it sends is told apart by it. */
export const AGENT_GROUP = 4242;

/** Where agents listen in their pod. */
export const AGENT_PORT = 61_337;

export interface AgentProcessOptions {
  /** The mode with its options. Default `ephemeral`. */
  readonly mode?: readonly string[];
  /** Options before the mode; the port is added. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly port?: number;
  /** Makes it process 1 of a process namespace instead of sharing the target's. */
  readonly isProcessOne?: boolean;
  /** Whose network is its own: the pod's, or the one outside, where the test is. Default `pod`. */
  readonly network?: "pod" | "outside";
  /** Options of setpriv(1), to take rights away. */
  readonly setpriv?: readonly string[];
  /** Folder that is its root, read-only, with devices and processes as a container has them; the agent is `./mirrord-agent` there. Default the machine's root. */
  readonly root?: string;
  /** A shell's command line that is started instead of this repository's agent, with `{port}` for the port and `exec` before the agent. It gets no other options. */
  readonly command?: string;
  /** False: `start` does not wait for the readiness line. Default true. */
  readonly awaitsReady?: boolean;
}

/** A record of the agent's log. */
export interface LogEntry {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>> & { readonly message: string; readonly code?: string };
}

/** What an agent is started in: a pod, or a node. */
export type Place = Pick<Pod, "pid">;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const READY_LINE = /^agent ready - version \d+\.\d+\.\d+$/;

export class AgentProcess implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #port: number;
  readonly #host: string;
  readonly #lines: string[] = [];
  readonly #ended: Promise<ProcessEnd>;
  #onLine: () => void = () => undefined;
  #errors = "";
  #hasEnded = false;

  private constructor(
    pod: Place,
    {
      mode = ["ephemeral"],
      options = ["-t", "60"],
      env = {},
      port = AGENT_PORT,
      isProcessOne = false,
      network = "pod",
      setpriv = [],
      root,
      command,
    }: AgentProcessOptions,
  ) {
    this.#port = port;
    this.#host = network === "pod" ? podIpv4 : "127.0.0.1";
    const launcher = root === undefined ? fileURLToPath(new URL("../../bin/mirrord-agent", import.meta.url)) : "./mirrord-agent";
    const own = [launcher, "-l", String(port), ...options, ...mode];
    const program = command === undefined ? own : ["sh", "-c", command.replaceAll("{port}", String(port))];
    // The agent leads a process group, which its children are in as far as they make none of their own.
    const enterRoot =
      root === undefined ? "mount -t proc proc /proc && cd / && exec setsid" : `${mountRoot(root)} exec setsid chroot '${root}'`;
    const script = `${enterRoot} setpriv --regid ${AGENT_GROUP} --clear-groups ${setpriv.join(" ")} "$0" "$@"`;
    const enter = ["--target", String(pod.pid), ...(network === "pod" ? ["--net"] : []), ...(isProcessOne ? [] : ["--pid"])];
    const namespaces = ["unshare", "--mount", ...(isProcessOne ? ["--pid", "--fork"] : [])];
    this.#child = spawn("nsenter", [...enter, "--", ...namespaces, "sh", "-c", script, ...program], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], RUST_LOG: "info", MIRRORD_AGENT_JSON_LOG: "true", ...env },
      detached: true,
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#onLine();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#ended = once(this.#child, "close").then(([code, signal]) => {
      this.#hasEnded = true;
      this.#onLine();
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  /** Starts an agent in the pod; it is ready on return. */
  static async start(pod: Place, options: AgentProcessOptions = {}): Promise<AgentProcess> {
    const agent = new AgentProcess(pod, options);
    if (options.awaitsReady === false) return agent;
    try {
      await agent.line((line) => READY_LINE.test(line));
      return agent;
    } catch (error) {
      await agent[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where its clients connect. */
  get address(): { readonly host: string; readonly port: number } {
    return { host: this.#host, port: this.#port };
  }

  /** Everything on standard output so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Everything on standard error so far. */
  get errors(): string {
    return this.#errors;
  }

  /** Resolves when the process has ended. */
  get ended(): Promise<ProcessEnd> {
    return this.#ended;
  }

  /** The log so far, without the readiness line. */
  get log(): readonly LogEntry[] {
    return this.#lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as LogEntry);
  }

  /** Codes of what the admin was told, in order. */
  get events(): readonly string[] {
    return this.log.flatMap(({ fields }) => fields.code ?? []);
  }

  /** Waits for a line, which may have come already. */
  async line(matches: (line: string) => boolean): Promise<string> {
    for (;;) {
      const found = this.#lines.find(matches);
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error(`the agent ended before the line came: ${[...this.#lines, this.#errors].join("\n")}`);
      await new Promise<void>((resolve) => (this.#onLine = resolve));
    }
  }

  /** Waits until the admin was told something. */
  async event(code: string): Promise<void> {
    await this.line((line) => line.includes(`"${code}"`));
  }

  /** The agent's own process id, as the test sees it. */
  pid(): Promise<number> {
    return onlyChild(this.#child.pid ?? 0);
  }

  /** The agent's `nft` child. */
  async nftPid(): Promise<number> {
    return onlyChild(await this.pid());
  }

  async residentMiB(): Promise<number> {
    const status = await readFile(`/proc/${await this.pid()}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    process.kill(await this.pid(), signal);
  }

  /** Kills the agent's process group without warning. */
  async killGroup(): Promise<void> {
    process.kill(-(await this.pid()), "SIGKILL");
    await this.#ended;
  }

  /** A session of the client library. */
  connect(options: Partial<ConnectAgentOptions> = {}): Promise<Session> {
    return connectAgent({ host: this.#host, port: this.#port, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    try {
      // Not the process between: it has to take the agent's end, or the agent's id stays taken, and the pod cannot end.
      await this.signal("SIGKILL");
    } catch {
      // It has no child: the agent has just ended, or did not begin.
      this.#child.kill("SIGKILL");
    }
    await this.#ended;
  }
}

/** Shell commands that make a container's root of a folder, in a mount namespace of its own: read-only, with processes and devices. */
function mountRoot(root: string): string {
  return `set -e
    mount --bind '${root}' '${root}'
    mount -o remount,bind,ro '${root}'
    mount -t proc proc '${root}/proc'
    mount -t tmpfs devices '${root}/dev'
    for device in null zero full random urandom; do
      : > '${root}/dev/'$device
      mount --bind /dev/$device '${root}/dev/'$device
    done
    mount -o remount,ro '${root}/dev'
  `;
}
