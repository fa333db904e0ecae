// Runs the demo as a user does, and finds what it has left on the machine. It knows how the demo marks what it makes: the cable's name,
// and a host name in the environment
// of every process in its pod; what it runs beside the pod is told by the directory for temporary files, which is this run's own.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const GONE_MAX_MS = 5_000;
const LOOK_AGAIN_MS = 2;

export class DemoRun implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** Exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly #temporary: string;
  readonly #networks = new Set<string>();
  readonly #waiting = new Set<() => void>();

  private constructor(temporary: string, options: readonly string[]) {
    this.#temporary = temporary;
    const env = { ...process.env, TMPDIR: temporary };
    this.child = spawn(process.execPath, ["--conditions=source", main, "demo", ...options], { env });
    const take = (lines: string[]) => (line: string) => {
      lines.push(line);
      for (const look of this.#waiting) look();
    };
    createInterface({ input: this.child.stdout }).on("line", take(this.stdout));
    createInterface({ input: this.child.stderr }).on("line", take(this.stderr));
    this.ended = once(this.child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null);
  }

  static async start(...options: readonly string[]): Promise<DemoRun> {
    return new DemoRun(await mkdtemp(join(tmpdir(), "demo-run-")), options);
  }

  /** Resolves when a line of standard output matches; rejects when the demo ends before. */
  async line(pattern: RegExp): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.stdout.some((line) => pattern.test(line))) resolve();
    };
    void this.ended.then((end) => reject(new Error(`the demo ended (${end}) without ${pattern}: ${this.stderr.join("\n")}`)));
    this.#waiting.add(look);
    look();
    try {
      await promise;
    } finally {
      this.#waiting.delete(look);
    }
  }

  /** Resolves when the cable is laid, in the middle of making the pod. The kernel tells nobody of it, so this looks again and again. */
  async cable(): Promise<void> {
    while (!existsSync(this.#cablePath)) {
      if (this.child.exitCode !== null) throw new Error(`the demo ended without a cable: ${this.stderr.join("\n")}`);
      await sleep(LOOK_AGAIN_MS);
    }
  }

  /** Resolves when a program of the demo runs on this machine, beside the pod. */
  async programOutside(): Promise<void> {
    while ((await this.#processes([this.#temporaryMark])).length === 0) {
      if (this.child.exitCode !== null) throw new Error(`the demo ended without a program: ${this.stderr.join("\n")}`);
      await sleep(LOOK_AGAIN_MS);
    }
  }

  /** Sends a signal at this moment, and notes before it can act what the demo has made so far, for `leftovers`. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    this.child.kill("SIGSTOP");
    await this.noteNetworks();
    this.child.kill(signal);
    this.child.kill("SIGCONT");
  }

  /** Notes the network namespaces of the demo's processes, for `leftovers`; resolves with how many processes there are. */
  async noteNetworks(): Promise<number> {
    const own = await readlink("/proc/self/ns/net");
    const pids = await this.#processes();
    for (const pid of pids) {
      const network = await readlink(`/proc/${pid}/ns/net`).catch(() => own);
      if (network !== own) this.#networks.add(network);
    }
    return pids.length;
  }

  /** What the demo made and is still there. */
  async leftovers(): Promise<readonly string[]> {
    const left = (await this.#processes()).map((pid) => `process ${pid}`);
    if (existsSync(this.#cablePath)) left.push("the cable");
    for (const file of await readdir(this.#temporary)) left.push(`temporary file ${file}`);
    const mounted = await readFile("/proc/self/mountinfo", "utf8");
    for (const pid of await allProcesses()) {
      const network = await readlink(`/proc/${pid}/ns/net`).catch(() => "");
      if (this.#networks.has(network)) left.push(`network of process ${pid}`);
    }
    for (const network of this.#networks) if (mounted.includes(network)) left.push(`mounted network ${network}`);
    return left;
  }

  /** What is still there when the kernel has had time to remove the rest. */
  async leftoversOfKernel(): Promise<readonly string[]> {
    const endsAt = performance.now() + GONE_MAX_MS;
    for (;;) {
      const left = await this.leftovers();
      if (left.length === 0 || performance.now() > endsAt) return left;
      await sleep(LOOK_AGAIN_MS * 10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
    await rm(this.#temporary, { recursive: true });
  }

  get #cablePath(): string {
    return `/sys/class/net/us-demo-${this.child.pid}`;
  }

  get #temporaryMark(): string {
    return `TMPDIR=${this.#temporary}`;
  }

  async #processes(marks: readonly string[] = [`HOSTNAME=shop-${this.child.pid}`, this.#temporaryMark]): Promise<string[]> {
    const isOurs = async (pid: string): Promise<boolean> => {
      const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      return environment.split("\0").some((variable) => marks.includes(variable));
    };
    const pids = (await allProcesses()).filter((pid) => pid !== String(this.child.pid));
    const ours = await Promise.all(pids.map(isOurs));
    return pids.filter((_, i) => ours[i]);
  }
}

async function allProcesses(): Promise<string[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
}
