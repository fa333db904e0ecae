// A process of clients under mixed load: its sessions take turns in what they do, all of them ping. It is started by works/mixed.ts with a task as its argument,
// says when it is warm, waits for a line, measures, and prints a line of JSON.

import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { argv, stdin, stdout } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAgent, type Session, textResponse } from "@understudy/client";
import { targetBigFile, targetHost, targetPorts, wantedBy } from "@understudy/test";
import { benchPorts } from "./ports.ts";

export interface MixedClientTask {
  readonly host: string;
  readonly port: number;
  readonly sessions: number;
  /** Which of the processes this is. */
  readonly number: number;
  readonly folder: string;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Whether sessions rest between what they do, so that the load is the same whatever the agent. */
  readonly isPaced: boolean;
}

export interface MixedClientResult {
  readonly pingsMs: readonly number[];
  /** How much of each kind of work was done; of bulk, bytes. */
  readonly done: Readonly<Record<string, number>>;
  /** What this process's own event loop waited, p99. Nothing the agent does lengthens it. */
  readonly ownDelayMs: number;
}

const PING_REST_MS = 20;
const MIB = 1024 * 1024;
const READ_REST_MS = 100;
const NAME_REST_MS = 20;
const NS_PER_MS = 1e6;

const task = JSON.parse(argv[2] ?? "{}") as MixedClientTask;

async function rest(ms: number): Promise<void> {
  if (task.isPaced) await sleep(ms);
}

type Done = (count: number) => void;
const kinds: Readonly<Record<string, (session: Session, isOver: () => boolean, done: Done) => Promise<void>>> = {
  bulk: async (session, _isOver, done) => {
    // The target keeps the pace: a client that did so would hold up its own session.
    const port = task.isPaced ? benchPorts.pacedSource : targetPorts.source;
    const connection = await session.connectTcp({ ip: "127.0.0.1", port });
    connection.on("data", (chunk: Uint8Array) => done(chunk.length));
  },
  files: async (session, isOver, done) => {
    const fd = await session.files.requests.open(targetBigFile);
    while (!isOver()) {
      await session.files.requests.readLimited(fd, MIB, 0);
      done(1);
      await rest(READ_REST_MS);
    }
  },
  names: async (session, isOver, done) => {
    while (!isOver()) {
      await session.lookup(targetHost.name, "ipv4Only");
      done(1);
      await rest(NAME_REST_MS);
    }
  },
  stolen: async (session, _isOver, done) => {
    await session.steal(benchPorts.http, {
      filter: wantedBy(`process ${task.number}`),
      onRequest: () => {
        done(1);
        return textResponse(200, "client");
      },
    });
  },
};

const names = Object.keys(kinds);
const isMeasured = { value: false };
const pingsMs: number[] = [];
const done: Record<string, number> = {};
const over = new AbortController();

async function pingAllTheTime(session: Session): Promise<void> {
  while (!over.signal.aborted) {
    const tookMs = await session.ping();
    if (isMeasured.value) pingsMs.push(tookMs);
    await sleep(PING_REST_MS);
  }
}

const sessions = await Promise.all(Array.from({ length: task.sessions }, () => connectAgent(task)));
const working = sessions.map((session, index) => {
  const name = names[(task.number * task.sessions + index) % names.length]!;
  const add: Done = (count) => {
    if (isMeasured.value) done[name] = (done[name] ?? 0) + count;
  };
  return kinds[name]!(session, () => over.signal.aborted, add);
});
const pinging = sessions.map(pingAllTheTime);
await sleep(task.warmUpSeconds * 1000);
// All processes of clients begin to measure when the last of them is warm.
stdout.write("warm\n");
await once(stdin, "data");
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
isMeasured.value = true;
await Promise.race([sleep(task.seconds * 1000), Promise.all([...working, ...pinging])]);
isMeasured.value = false;
over.abort();
const result: MixedClientResult = { pingsMs, done, ownDelayMs: delay.percentile(99) / NS_PER_MS };
stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
