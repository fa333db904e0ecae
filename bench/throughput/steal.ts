// How fast bytes and requests of a target's peers go through `understudy steal` to a server of this machine, beside what a stealer that answers from memory
// reaches: by turns, in one run. Needs root and wrk.

import { execFile } from "node:child_process";
import { parseArgs, promisify } from "node:util";
import { AgentProcess, Pod, podIpv4, podSkipReason, ProcessTree, startInPod, PeerFolder, listening } from "@understudy/test";
import { fileURLToPath } from "node:url";
import { benchPorts } from "../agent/ports.ts";
import { wrkLoad } from "../agent/wrk.ts";
import { median, spread } from "../statistics.ts";
import { endlessBody } from "./endless.ts";
import type { PeerPorts } from "./peers.ts";
import { Program, understudyCommand } from "./program.ts";
import { printTable, type Reading } from "./readings.ts";
import type { StealerTask } from "./stealer.ts";
import { moveBytes } from "./transferTask.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
  },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);

/** Neither a beginning of HTTP nor of TLS. */
const NOT_HTTP = "\u0001";
const requestHead = (method: string, fields: string): string => `${method} / HTTP/1.1\r\nhost: target\r\n${fields}\r\n`;

interface Transfer {
  readonly direction: "down" | "up";
  readonly first: string;
  readonly server: keyof PeerPorts;
}

const transfers: Readonly<Record<string, Transfer>> = {
  "raw TCP, down": { direction: "down", first: NOT_HTTP, server: "source" },
  "raw TCP, up": { direction: "up", first: NOT_HTTP, server: "sink" },
  "body of an HTTP answer": { direction: "down", first: requestHead("GET", ""), server: "httpSource" },
  "body of an HTTP request": { direction: "up", first: requestHead("POST", `${endlessBody}\r\n`), server: "httpSink" },
};

/** Has somebody steal the target's HTTP port; resolves with who it is. */
type Stealing = (to: Pick<StealerTask, "host" | "port">, direction: StealerTask["direction"], serverPort: number) => Promise<Program>;

const ways: Readonly<Record<string, Stealing>> = {
  "library, from memory": async ({ host, port }, direction) => {
    const task: StealerTask = { host, port, direction, stolen: benchPorts.http };
    return (await Program.here("stealer.ts", JSON.stringify(task)))[0];
  },
  "understudy steal, with a server": async ({ host, port }, _direction, serverPort) => {
    const args = ["steal", `${benchPorts.http}:${serverPort}`, "--agent", `${host}:${port}`];
    return (await Program.start(understudyCommand, args, /(Ctrl-C ends it)/))[0];
  },
};

/** Calls `work` while somebody steals the port. */
async function whileStolen<T>(
  steal: Stealing,
  direction: StealerTask["direction"],
  server: keyof PeerPorts,
  work: (stealerPid: number) => Promise<T>,
): Promise<T> {
  await using folder = await PeerFolder.make();
  await using pod = await Pod.start();
  await startInPod(pod, process.execPath, fileURLToPath(new URL("../agent/target.ts", import.meta.url)), folder.path);
  await listening(benchPorts.http);
  await promisify(execFile)("ip", ["link", "set", "lo", "up"]);
  await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "3600" } });
  const [peers, ports] = await Program.here<PeerPorts>("peers.ts", "");
  using _peers = peers;
  using stealer = await steal(agent.address, direction, ports[server]);
  return await work(stealer.pid);
}

async function byTurns<T>(measure: (steal: Stealing) => Promise<T>): Promise<Map<string, T[]>> {
  const readings = new Map(Object.keys(ways).map((name) => [name, [] as T[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, steal] of Object.entries(ways)) readings.get(name)!.push(await measure(steal));
  }
  return readings;
}

async function requestsPerSecond(
  steal: Stealing,
  connections: number,
): Promise<{ readonly perSecond: number; readonly cpuMicros: number }> {
  return await whileStolen(steal, "short", "httpShort", async (pid) => {
    const on = { tree: new ProcessTree(pid), seconds, warmUpSeconds: 1 };
    const { requests, requestsPerSecond: perSecond, processorMs } = await wrkLoad(on, { connections });
    return { perSecond, cpuMicros: (processorMs * 1000) / requests };
  });
}

const skipped = podSkipReason();
if (skipped !== false) throw new Error(`no pod can be made here: ${skipped}`);

for (const [what, { direction, first, server }] of Object.entries(transfers)) {
  if (!what.includes(options.only)) continue;
  const readings: Map<string, Reading[]> = await byTurns((steal) =>
    whileStolen(steal, direction, server, (pid) =>
      moveBytes({
        how: "plain",
        direction,
        first,
        host: podIpv4,
        port: benchPorts.http,
        peerPort: 0,
        connections: 1,
        seconds,
        warmUpSeconds: 1,
        pid,
      }),
    ),
  );
  printTable(what, readings, "library, from memory");
}

for (const connections of [1, 32]) {
  const what = `short requests on ${connections} connection${connections === 1 ? "" : "s"}`;
  if (!what.includes(options.only)) continue;
  const readings = await byTurns((steal) => requestsPerSecond(steal, connections));
  console.log(`\n| ${what} | per s | spread | processor µs of one |\n|---|---:|---:|---:|`);
  for (const [name, all] of readings) {
    const rates = all.map(({ perSecond }) => perSecond);
    const cost = median(all.map(({ cpuMicros }) => cpuMicros));
    console.log(`| ${name} | ${Math.round(median(rates))} | ±${Math.round(spread(rates) * 100)} % | ${Math.round(cost)} |`);
  }
}
