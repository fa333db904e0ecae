// `understudy steal` and `understudy mirror` as processes beside a test's pod, whose output is waited for line by line; and a relay to the agent that
// can cut its connections.

import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Pod } from "../pod/pod.ts";
import { Listening } from "./listening.ts";

const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** A pod, with servers possible on the loopback addresses outside of it. */
export async function startPod(): Promise<Pod> {
  const pod = await Pod.start();
  await promisify(execFile)("ip", ["link", "set", "lo", "up"]);
  return pod;
}

export interface CommandEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class IncomingCommand implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #folder: string;
  readonly #ended: Promise<number | null>;
  readonly #lines: string[] = [];
  readonly #notes: string[] = [];
  #hasEnded = false;
  #onLine: () => void = () => undefined;

  private constructor(folder: string, args: readonly string[]) {
    this.#folder = folder;
    const env = { PATH: process.env["PATH"], HOME: folder };
    this.#child = spawn(process.execPath, ["--conditions=source", main, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#on(this.#lines, line));
    createInterface({ input: this.#child.stderr }).on("line", (line) => this.#on(this.#notes, line));
    this.#ended = once(this.#child, "close").then(([code]) => {
      this.#hasEnded = true;
      this.#onLine();
      return code as number | null;
    });
  }

  /** Runs it until it has its ports. `agent` is where the agent listens. */
  static async start(agent: { readonly host: string; readonly port: number }, ...args: readonly string[]): Promise<IncomingCommand> {
    const command = await IncomingCommand.run(agent, ...args);
    await command.line(/Ctrl-C ends it/);
    return command;
  }

  static async run({ host, port }: { readonly host: string; readonly port: number }, ...args: readonly string[]): Promise<IncomingCommand> {
    const folder = await mkdtemp(path.join(tmpdir(), "understudy-command-"));
    return new IncomingCommand(folder, [...args, "--agent", `${host}:${port}`]);
  }

  /** Waits for a line, which may have come already, on either stream. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = [...this.#lines, ...this.#notes].find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error(`it ended without the line ${pattern}: ${[...this.#lines, ...this.#notes].join("\n")}`);
      await new Promise<void>((resolve) => (this.#onLine = resolve));
    }
  }

  /** Objects that it has printed. */
  get objects(): readonly Record<string, unknown>[] {
    return this.#lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** As Ctrl-C does. */
  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  async ended(): Promise<CommandEnd> {
    const code = await this.#ended;
    return { code, stdout: this.#lines.join("\n"), stderr: this.#notes.join("\n") };
  }

  async stop(): Promise<CommandEnd> {
    this.interrupt();
    return await this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  #on(lines: string[], line: string): void {
    lines.push(line);
    this.#onLine();
  }
}

/** Passes connections on to an agent. */
export class Relay implements AsyncDisposable {
  readonly #listening: Listening;

  private constructor(listening: Listening) {
    this.#listening = listening;
  }

  static async to(agent: { readonly host: string; readonly port: number }): Promise<Relay> {
    const server = createServer((socket) => {
      const other = connect(agent);
      socket.pipe(other).pipe(socket);
      socket.on("close", () => other.destroy());
      other.on("error", () => socket.destroy()).on("close", () => socket.destroy());
    });
    return new Relay(await Listening.on(server));
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: "127.0.0.1", port: this.#listening.port };
  }

  /** Cuts every connection; new ones are passed on again. */
  cut(): void {
    for (const socket of this.#listening.sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listening[Symbol.asyncDispose]();
  }
}
