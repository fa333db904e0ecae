// `understudy steal` and `understudy mirror` as processes beside a test's pod, whose output is waited for line by line; and a relay to the agent that
// can cut its connections.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Pod } from "../pod/pod.ts";
import { Listening } from "./listening.ts";
import { type CommandEnd, RunningCommand } from "./understudy.ts";

/** A pod, with servers possible on the loopback addresses outside of it. */
export async function startPod(): Promise<Pod> {
  const pod = await Pod.start();
  await promisify(execFile)("ip", ["link", "set", "lo", "up"]);
  return pod;
}

export class IncomingCommand implements AsyncDisposable {
  readonly #command: RunningCommand;
  readonly #folder: string;

  private constructor(folder: string, args: readonly string[]) {
    this.#folder = folder;
    this.#command = new RunningCommand(args, { env: { HOME: folder, XDG_STATE_HOME: folder } });
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
    return await this.#command.line(pattern);
  }

  /** Objects that it has printed. */
  get objects(): readonly Record<string, unknown>[] {
    const lines = this.#command.stdout.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** As Ctrl-C does. */
  interrupt(): void {
    this.#command.signal("SIGINT");
  }

  async ended(): Promise<CommandEnd> {
    return await this.#command.end();
  }

  async stop(): Promise<CommandEnd> {
    return await this.#command.interrupt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#command[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
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
