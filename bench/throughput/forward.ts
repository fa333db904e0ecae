// How fast bytes go through `understudy forward`, and through a connection of the client library, beside what a bare relay in Node and a client that frames
// by hand reach: by turns, in one run, on this machine. Everything is a process of its own, so that on few cores they share them.

import { parseArgs } from "node:util";
import { AgentUnderMeasure } from "../files/agentUnderMeasure.ts";
import type { PeerPorts } from "./peers.ts";
import { Program, understudyCommand } from "./program.ts";
import { printTable, type Reading } from "./readings.ts";
import { moveBytes, type TransferTask } from "./transferTask.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    connections: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});

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
    const [forward, port] = await Program.start(understudyCommand, args, /^forwarding 127\.0\.0\.1:(\d+)/);
    owned.use(forward);
    return { how: "plain", port: Number(port), pid: forward.pid };
  },
};

async function measure(between: Between, direction: "down" | "up"): Promise<Reading> {
  await using agent = await AgentUnderMeasure.start();
  using owned = new DisposableStack();
  const [peers, ports] = await Program.here<PeerPorts>("peers.ts", "");
  owned.use(peers);
  const peerPort = direction === "down" ? ports.source : ports.sink;
  const way = await between(owned, peerPort, agent.port);
  return await moveBytes({
    ...way,
    direction,
    host: "127.0.0.1",
    peerPort,
    first: "",
    connections: Number(options.connections),
    seconds: Number(options.seconds),
    warmUpSeconds: 1,
  });
}

for (const direction of ["down", "up"] as const) {
  const names = Object.keys(ways).filter((name) => name.includes(options.only));
  const readings = new Map(names.map((name) => [name, [] as Reading[]]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of names) readings.get(name)!.push(await measure(ways[name]!, direction));
  }
  printTable(direction, readings, "bare relay");
}
