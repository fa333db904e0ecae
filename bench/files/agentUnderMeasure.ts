// An agent as a process of its own, as the launcher starts it, with the figures that the kernel and its metrics give of it.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connectAgent, type Session } from "@understudy/client";

const launcher = fileURLToPath(new URL("../../bin/mirrord-agent", import.meta.url));
const MiB = 2 ** 20;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** An agent without a target: its files are those of this machine. */
export class AgentUnderMeasure implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#port = port;
  }

  /** @param prefix a command in front of the agent's, such as one that enters a control group. */
  static async start(prefix: readonly string[] = []): Promise<AgentUnderMeasure> {
    const port = await freePort();
    const [command, ...args] = [...prefix, launcher, "-l", String(port), "-t", "60", "targetless"];
    const env = { PATH: process.env["PATH"], MIRRORD_AGENT_IDLE_TTL: "3600" };
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    assert.ok(child.stdout !== null);
    for await (const line of createInterface({ input: child.stdout })) if (line.startsWith("agent ready")) break;
    return new AgentUnderMeasure(child, port);
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async session(): Promise<Session> {
    return await connectAgent({ host: "127.0.0.1", port: this.#port });
  }

  /** Resident memory now, in MiB. */
  get residentMib(): number {
    return this.#status("VmRSS");
  }

  /** Highest resident memory since the start, or since `forgetPeak`, in MiB. */
  get peakMib(): number {
    return this.#status("VmHWM");
  }

  forgetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, "5");
  }

  #status(field: string): number {
    const text = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return (Number(new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(text)?.[1]) * 1024) / MiB;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

/** How long another session waits for a ping while something goes on: what the agent's event loop lets through, as its clients see it. */
export class PingWatch implements AsyncDisposable {
  readonly #session: Session;
  readonly #delaysMs: number[] = [];
  #isWatching = true;
  readonly #done: Promise<void>;

  private constructor(session: Session) {
    this.#session = session;
    this.#done = this.#watch();
  }

  static async start(agent: AgentUnderMeasure): Promise<PingWatch> {
    return new PingWatch(await agent.session());
  }

  /** Ends the watch. */
  async percentiles(): Promise<string> {
    this.#isWatching = false;
    await this.#done;
    const sorted = this.#delaysMs.toSorted((one, other) => one - other);
    const at = (part: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(2);
    return `ping ms p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} (${sorted.length} pings)`;
  }

  async #watch(): Promise<void> {
    while (this.#isWatching) {
      const began = performance.now();
      await this.#session.ping();
      this.#delaysMs.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isWatching = false;
    await this.#done;
    await this.#session[Symbol.asyncDispose]();
  }
}
