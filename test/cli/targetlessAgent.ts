// This repository's agent without a target, on this machine, for tests of what goes through it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type ConnectAgentOptions, connectAgent, type Session } from "@understudy/client";

const main = fileURLToPath(new URL("../../packages/agent/src/main.ts", import.meta.url));

export class TargetlessAgent implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts an agent from its sources; it is ready on return. */
  static async start({
    port,
    env = {},
  }: { readonly port?: number; readonly env?: Readonly<Record<string, string>> } = {}): Promise<TargetlessAgent> {
    const chosen = port ?? (await freePort());
    const args = ["--conditions=source", main, "-l", String(chosen), "-t", "60", "targetless"];
    // It stays between clients.
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, RUST_LOG: "warn", MIRRORD_AGENT_IDLE_TTL: "60", ...env },
    });
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith("agent ready")) {
        child.stdout.resume();
        return new TargetlessAgent(child, chosen);
      }
    }
    throw new Error("the agent ended before it was ready");
  }

  /** For `--agent`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  connect(options: Partial<ConnectAgentOptions> = {}): Promise<Session> {
    return connectAgent({ host: "127.0.0.1", port: this.port, ...options });
  }

  /** Kills it without warning. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** A port of this machine that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
