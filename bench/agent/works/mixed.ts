// The latency that clients see when everything goes on at once: 50 sessions with bulk, files, names and stolen requests, spread over processes of clients, since one
// process would measure itself. Each session pings all the time.

import { spawn } from "node:child_process";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { as, podIpv4 } from "@understudy/test";
import { percentile } from "../../statistics.ts";
import type { MixedClientResult, MixedClientTask } from "../mixedClient.ts";
import { benchPorts } from "../ports.ts";
import type { Figure, Measurement, Work } from "../work.ts";

const PROCESSES = 2;
const SESSIONS_OF_EACH = 25;
/** What pings of all sessions are to stay below, at p99, while the load has a pace. */
const LIMIT_MS = 20;
const REQUEST_REST_MS = 10;

/** A process of clients that is warm. */
interface WarmClient {
  /** Lets it measure. */
  measure(): Promise<MixedClientResult>;
}

async function startClient(on: Measurement, number: number, isPaced: boolean): Promise<WarmClient> {
  const { agent, folder, seconds, warmUpSeconds } = on;
  const task: MixedClientTask = { ...agent.address, folder, seconds, warmUpSeconds, sessions: SESSIONS_OF_EACH, number, isPaced };
  const program = fileURLToPath(new URL("../mixedClient.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", program, JSON.stringify(task)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("a process of clients ended early");
    return value;
  };
  await line();
  return {
    measure: async () => {
      child.stdin.end("go\n");
      return JSON.parse(await line()) as MixedClientResult;
    },
  };
}

/** A peer of the target, whose requests the sessions of one process want, each over a new connection. Requests that fail when those leave are no matter. */
async function keepAsking(number: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await new Promise<void>((resolve) => {
      const sent = request({ host: podIpv4, port: benchPorts.http, agent: false, headers: as(`process ${number}`) }, (response) => {
        response.resume().on("close", resolve);
      });
      sent.on("error", () => resolve()).end();
    });
    await sleep(REQUEST_REST_MS);
  }
}

const mixedLoad = (name: string, isPaced: boolean): Work => ({
  name: `mixed/${name}`,
  about: `pings of 50 sessions with bulk, files, names and stolen requests at once, ${isPaced ? "with a pace" : "as fast as it goes"}`,
  measure: async (on) => {
    let isOver = false;
    const numbers = Array.from({ length: PROCESSES }, (_, number) => number);
    const peers = numbers.map((number) => keepAsking(number, () => isOver));
    const clients = await Promise.all(numbers.map((number) => startClient(on, number, isPaced)));
    const results = await Promise.all(clients.map((client) => client.measure()));
    isOver = true;
    await Promise.all(peers);
    const pings = results.flatMap(({ pingsMs }) => pingsMs);
    const p99 = percentile(pings, 0.99);
    const meanwhile = (what: string, kind: string, unit: "per s" | "MB/s" = "per s", part = 1): Figure => {
      const value = results.reduce((sum, { done }) => sum + (done[kind] ?? 0), 0) / on.seconds / part;
      return { what: `${what} meanwhile`, unit, better: "higher", value };
    };
    const ownDelayMs = Math.max(...results.map((result) => result.ownDelayMs));
    return [
      { what: `50 sessions with a mixed load${isPaced ? " (pace)" : " (no pace)"}, ping p99`, unit: "ms", better: "lower", value: p99 },
      { what: "longest ping", unit: "ms", better: "lower", value: percentile(pings, 1) },
      { what: "p99 of what a client's own process waited", unit: "ms", better: "lower", value: ownDelayMs },
      ...(isPaced
        ? [{ what: `p99 as a part of ${LIMIT_MS} ms, its limit`, unit: "part", better: "lower", value: p99 / LIMIT_MS } as const]
        : []),
      meanwhile("bulk", "bulk", "MB/s", 1e6),
      meanwhile("file reads of 1 MiB", "files"),
      meanwhile("names", "names"),
      meanwhile("stolen requests", "stolen"),
    ];
  },
});

export const mixed: readonly Work[] = [mixedLoad("50", true), mixedLoad("50-unlimited", false)];
