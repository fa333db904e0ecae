// The process under test: a redirector that is told what to do by JSON lines. A redirected connection is either described to its peer
// (and with `holds` kept open) or, with `passes`, passed through to the same port on loopback.

import net from "node:net";
import { createInterface } from "node:readline";
import { agentGroup } from "./networkFixture.ts";
import { hasLeftoverRules } from "./leftoverRules.ts";
import { excludeFromMesh } from "./meshExclusion.ts";
import { createRedirector, type Redirector, type RedirectorOptions } from "./redirector.ts";

const print = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
const {
  passes = false,
  holds = false,
  isGuarded = false,
  ...options
} = JSON.parse(process.argv[2] ?? "{}") as { passes?: boolean; holds?: boolean; isGuarded?: boolean };
const launcher = isGuarded ? { rulesFollow: () => print({ event: "rulesFollow" }) } : null;
const held: net.Socket[] = [];
const containerId = (options as { containerId?: string }).containerId ?? "";

const log: RedirectorOptions["log"] = {
  isDebug: true,
  isTrace: false,
  trace: () => undefined,
  debug: () => undefined,
  event: (code, fields) => print({ event: code, ...fields }),
  child() {
    return this;
  },
};
let exclusion: AsyncDisposable | undefined;

const redirector: Redirector = await createRedirector({
  ownGroup: agentGroup,
  launcher,
  log,
  onLost: (error) => print({ event: "lost", message: error.message }),
  onConnection(connection) {
    const { peer, original, agentIp } = connection;
    const socket = connection.open();
    socket.on("error", () => undefined);
    if (passes) {
      const target = net.connect({ host: "127.0.0.1", port: original.port, allowHalfOpen: true });
      target.on("error", () => socket.destroy());
      socket.pipe(target).pipe(socket);
    } else {
      socket.write(JSON.stringify({ peer, original, agentIp }));
      socket.resume();
      if (holds) held.push(socket);
      else socket.end();
    }
  },
  ...options,
});

const actions: Record<string, (...args: number[]) => unknown> = {
  add: (...ports) => Promise.all(ports.map((port) => redirector.add(port))),
  remove: (...ports) => Promise.all(ports.map((port) => redirector.remove(port))),
  /** Adds and removes one port until a number of turns is over. */
  async toggle(port = 0, turns = 0) {
    for (let turn = 0; turn < turns; turn += 1) {
      await redirector.add(port);
      await redirector.remove(port);
    }
  },
  /** Milliseconds for adding ports, in one go. */
  async timeAdding(first = 0, number = 0) {
    const started = performance.now();
    await Promise.all(Array.from({ length: number }, (_, index) => redirector.add(first + index)));
    return performance.now() - started;
  },
  /** Says a last word on every connection that was held. */
  finish: () => held.splice(0).forEach((socket) => socket.end("finished")),
  /** Looks for rules of others, and with a second argument removes them. */
  leftovers: (cleans = 0) => hasLeftoverRules({ containerId, cleans: cleans !== 0, log }),
  /** Keeps a port out of the mesh, until the end. */
  exclude: async (port = 0) =>
    void (exclusion = await excludeFromMesh({ port, way: "auto", nftables: null, launcher, ...options, containerId, log })),
  nftPid: () => redirector.nftPid ?? null,
  listeners: () => redirector.listeners,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, action, args } = JSON.parse(line) as { id: number; action: string; args: number[] };
  void (async () => {
    try {
      print({ id, value: await actions[action]?.(...args) });
    } catch (error) {
      print({ id, error: String(error) });
    }
  })();
}
await redirector[Symbol.asyncDispose]();
await exclusion?.[Symbol.asyncDispose]();
