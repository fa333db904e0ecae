// How fast bytes go through `understudy forward`, and through a connection of the client library, beside what a bare relay in Node and a client that frames
// by hand reach: by turns, in one run, on this machine. Everything is a process of its own, so that on few cores they share them.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { AgentUnderMeasure } from "../files/agentUnderMeasure.ts";
import { median, spread } from "../statistics.ts";
import type { TransferResult, TransferTask } from "./transfer.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    connections: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});

const command = fileURLToPath(new URL("../../bin/understudy", import.meta.url));

/** A program of this folder, or the command, that says what others need to know of it. */
class Program implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves with the first line that `pattern` matches. */
  static async start(file: string, args: readonly string[], pattern: RegExp): Promise<[Program, string]> {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout })) {
      const found = pattern.exec(line)?.[1];
      if (found === undefined) continue;
      child.stdout.resume();
      return [new Program(child), found];
    }
    throw new Error(`${file} ${args.join(" ")} ended early`);
  }

  /** Resolves with what the program printed. */
  static async here<T>(name: string, argument: string): Promise<[Program, T]> {
    const file = fileURLToPath(new URL(name, import.meta.url));
    const [program, text] = await Program.start(process.execPath, ["--conditions=source", file, argument], /^ready (.*)/);
    return [program, JSON.parse(text) as T];
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

type Way = Pick<TransferTask, "how" | "port" | "pid">;
/** Makes what lies between the client and a peer's port. */
type Between = (owned: DisposableStack, peerPort: number, agentPort: number) => Promise<Way>;

async function relayTo(owned: DisposableStack, to: number): Promise<Way> {
  const [relay, { port }] = await Program.here<{ port: number }>("bareRelay.ts", String(to));
  owned.use(relay);
  return { how: "plain", port, pid: relay.pid };
}

const ways: Readonly<Record<string, Between>> = {
  "no relay": (_owned, port) => Promise.resolve({ how: "plain", port, pid: null }),
  "bare relay": relayTo,
  "two bare relays": async (owned, port) => await relayTo(owned, (await relayTo(owned, port)).port),
  "agent, framed by hand": (_owned, _peer, port) => Promise.resolve({ how: "raw", port, pid: null }),
  "agent, library": (_owned, _peer, port) => Promise.resolve({ how: "library", port, pid: null }),
  "agent, forward": async (owned, peerPort, agentPort) => {
    const args = ["forward", `0:127.0.0.1:${peerPort}`, "--agent", `127.0.0.1:${agentPort}`];
    const [forward, port] = await Program.start(command, args, /^forwarding 127\.0\.0\.1:(\d+)/);
    owned.use(forward);
    return { how: "plain", port: Number(port), pid: forward.pid };
  },
};

interface Reading {
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGb: number;
}

async function measure(between: Between, direction: "down" | "up"): Promise<Reading> {
  await using agent = await AgentUnderMeasure.start();
  using owned = new DisposableStack();
  const [peers, ports] = await Program.here<{ source: number; sink: number }>("peers.ts", "");
  owned.use(peers);
  const peerPort = direction === "down" ? ports.source : ports.sink;
  const way = await between(owned, peerPort, agent.port);
  const task: TransferTask = {
    ...way,
    direction,
    peerPort,
    connections: Number(options.connections),
    seconds: Number(options.seconds),
    warmUpSeconds: 1,
  };
  const [client, { bytes, seconds, cpuSeconds }] = await Program.here<TransferResult>("transfer.ts", JSON.stringify(task));
  client[Symbol.dispose]();
  return { mbPerSecond: bytes / seconds / 1e6, cpuSecondsPerGb: cpuSeconds / (bytes / 1e9) };
}

for (const direction of ["down", "up"] as const) {
  const names = Object.keys(ways).filter((name) => name.includes(options.only));
  const readings = new Map(names.map((name) => [name, [] as Reading[]]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of names) readings.get(name)!.push(await measure(ways[name]!, direction));
  }
  console.log(`\n| ${direction} | MB/s | of a bare relay | spread | processor s per GB |\n|---|---:|---:|---:|---:|`);
  const speed = (name: string): number => median((readings.get(name) ?? []).map(({ mbPerSecond }) => mbPerSecond));
  for (const [name, all] of readings) {
    const part = speed(name) / speed("bare relay");
    const cost = median(all.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb));
    const far = Math.round(spread(all.map(({ mbPerSecond }) => mbPerSecond)) * 100);
    console.log(`| ${name} | ${Math.round(speed(name))} | ${part.toFixed(2)} | ±${far} % | ${cost.toFixed(2)} |`);
  }
}
