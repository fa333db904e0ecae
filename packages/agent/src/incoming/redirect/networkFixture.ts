// Network namespaces for the tests of this folder: a pod with an address of each family, and a peer at the other end of its link.

import { execFile, spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Group of the agent in these tests; everything else runs with the group of the test itself. */
export const agentGroup = 4242;

export const podIpv4 = "10.99.0.2";
export const podIpv6 = "fd99::2";

/** Why these tests cannot run here; false where they can. In CI they must. */
export function skipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["ip", "nft", "setpriv"]) if (spawnSync(tool, ["--version"]).error) return `needs ${tool}`;
  return false;
}

export interface Network extends AsyncDisposable {
  /** Runs a program in the pod or at the peer and returns what it prints. */
  exec(where: "pod" | "peer", ...command: string[]): Promise<string>;
  /** Starts a program whose standard input and output are JSON lines. */
  start(where: "pod" | "peer", ...command: string[]): ChildProcessByStdio<Writable, Readable, null>;
}

let count = 0;

/** Makes a pod and a peer; both are gone with the result. */
export async function createNetwork(): Promise<Network> {
  count += 1;
  const names = { pod: `us-pod-${process.pid}-${count}`, peer: `us-peer-${process.pid}-${count}` };
  const ip = async (...args: string[]): Promise<void> => void (await run("ip", args));
  const remove = async (): Promise<void> => {
    for (const name of [names.pod, names.peer]) await ip("netns", "del", name).catch(() => undefined);
  };
  try {
    for (const name of [names.pod, names.peer]) {
      await ip("netns", "add", name);
      await ip("-n", name, "link", "set", "lo", "up");
    }
    await ip("-n", names.pod, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names.peer);
    for (const [name, last] of [
      [names.pod, "2"],
      [names.peer, "1"],
    ] as const) {
      await ip("-n", name, "addr", "add", `10.99.0.${last}/24`, "dev", "eth0");
      await ip("-n", name, "addr", "add", `fd99::${last}/64`, "dev", "eth0", "nodad");
      await ip("-n", name, "link", "set", "eth0", "up");
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    async exec(where, ...command) {
      return (await run("ip", ["netns", "exec", names[where], ...command], { timeout: 20_000 })).stdout;
    },
    start(where, ...command) {
      return spawn("ip", ["netns", "exec", names[where], ...command], { stdio: ["pipe", "pipe", "inherit"], detached: true });
    },
    [Symbol.asyncDispose]: remove,
  };
}

/** Prints what a server says, or the code of the error. */
export const readAll = (host: string, port: number): string[] => [
  process.execPath,
  "-e",
  `let text = ""; require("node:net").connect(${port}, "${host}").on("data", (data) => (text += data))
    .on("end", () => console.log(text)).on("error", (error) => console.log(error.code))`,
];

/** A server in the pod that says a word to everyone. */
export function startServer(network: Network, port: number, word: string): Promise<AsyncDisposable> {
  return listenInPod(network, port, `socket.end("${word}")`);
}

/** A server in the pod that says what it hears. */
export function startEcho(network: Network, port: number): Promise<AsyncDisposable> {
  return listenInPod(network, port, "socket.pipe(socket)");
}

async function listenInPod(network: Network, port: number, onSocket: string): Promise<AsyncDisposable> {
  const script = `require("node:net").createServer((socket) => { socket.on("error", () => {}); ${onSocket}; })
    .listen(${port}, "::", 4096, () => console.log("up"))`;
  const server = network.start("pod", process.execPath, "-e", script);
  await once(server.stdout, "data");
  return {
    async [Symbol.asyncDispose]() {
      const exited = once(server, "exit");
      server.kill("SIGKILL");
      await exited;
    },
  };
}

/** What {@link TestAgent} tells without being asked. */
export interface AgentReport {
  readonly event: string;
  readonly [field: string]: unknown;
}

interface Answer {
  readonly id: number;
  readonly error?: string;
  readonly value?: unknown;
}

function isReport(message: Answer | AgentReport): message is AgentReport {
  return "event" in message;
}

/** The redirector in a process of its own in the pod, as `redirectorFixture.ts` runs it. */
export class TestAgent implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #reports: AgentReport[] = [];
  #onReport: () => void = () => undefined;
  #lastId = 0;

  /** `isReadOnly`: it cannot change settings of the kernel. `isPowerless`: nor anything else. Other options are the redirector's. */
  constructor(network: Network, { isReadOnly = false, isPowerless = false, ...options }: Record<string, unknown> = {}) {
    const fixture = fileURLToPath(new URL("redirectorFixture.ts", import.meta.url));
    const node = [process.execPath, "--conditions=source", fixture, JSON.stringify(options)];
    const wrap = isReadOnly === true ? ["unshare", "--mount", "sh", "-c", 'mount --bind -o ro /proc/sys /proc/sys && exec "$@"', "sh"] : [];
    const rights = isPowerless === true ? ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"] : [];
    this.#child = network.start("pod", ...wrap, "setpriv", ...rights, "--regid", String(agentGroup), "--clear-groups", ...node);
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const message = JSON.parse(line) as Answer | AgentReport;
      if (isReport(message)) {
        this.#reports.push(message);
        this.#onReport();
      } else this.#answers.get(message.id)?.(message);
    });
  }

  /** Leads the process group of the agent, without its nft. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws Error with the agent's own error as text. */
  async ask<T = unknown>(action: string, ...args: readonly unknown[]): Promise<T> {
    const id = (this.#lastId += 1);
    const answer = new Promise<Answer>((resolve) => this.#answers.set(id, resolve));
    this.#child.stdin.write(`${JSON.stringify({ id, action, args })}\n`);
    const { error, value } = await answer;
    this.#answers.delete(id);
    if (error !== undefined) throw new Error(error);
    return value as T;
  }

  /** Waits for a report, which may have come already. */
  async report(event: string): Promise<AgentReport> {
    for (;;) {
      const found = this.#reports.find((report) => report.event === event);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (this.#onReport = resolve));
    }
  }

  /** Kills it without warning. */
  async kill(): Promise<void> {
    const exited = once(this.#child, "exit");
    process.kill(-this.pid, "SIGKILL");
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.stdin.end();
    const killing = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await exited;
    clearTimeout(killing);
  }
}
