// What an agent holds at one moment, as the kernel and its own metrics tell: memory, descriptors, threads, children, redirect rules, gauges, and how often it wakes up.

import { setTimeout as sleep } from "node:timers/promises";
import { request } from "../pod/http.ts";
import { type Pod, podIpv4 } from "../pod/pod.ts";
import type { ProcessTree } from "../pod/processTree.ts";

/** Where the soak's agent serves its metrics. */
export const METRICS_PORT = 9000;

/** Gauges that may be other than 0 while nothing goes on. */
const NOT_OF_SESSIONS = /_limit$|^understudy_pool_threads$|^understudy_event_loop_delay_seconds$|^process_|^nodejs_/;

/** How long its wake-ups are counted. Longer than the collector of the heap and the allocator take to give back what nobody uses any more. */
const WATCH_MS = 15_000;

export interface AgentState {
  /** Of all its processes. */
  readonly residentMiB: number;
  /** Pages that are shared are divided among those who share them. */
  readonly proportionalMiB: number;
  /** What each open descriptor leads to. */
  readonly descriptors: readonly string[];
  readonly threads: number;
  /** Commands of its children. */
  readonly children: readonly string[];
  /** Tables and rules that redirect. An agent that has redirected a port once keeps its tables, and the child that owns them. */
  readonly rules: readonly string[];
  /** Ports that are redirected. */
  readonly ports: readonly number[];
  /** Gauges that are not 0. */
  readonly gauges: Readonly<Record<string, number>>;
}

/** An agent that nobody uses. */
export interface RestingState extends AgentState {
  /** Of the main thread, a second: a timer that was left behind shows here. */
  readonly wakeUps: number;
}

export async function agentState(pod: Pod, tree: ProcessTree): Promise<AgentState> {
  // The processes first and alone: an agent that is asked for its metrics has a connection more, and files of /proc open.
  const [uses, descriptors] = await Promise.all([tree.use(), tree.openFiles()]);
  const [rules, ports, gauges] = await Promise.all([pod.redirectRules(), redirectedPorts(pod), busyGauges()]);
  const sum = (figure: "residentMiB" | "proportionalMiB" | "threads"): number => uses.reduce((all, use) => all + use[figure], 0);
  return {
    residentMiB: sum("residentMiB"),
    proportionalMiB: sum("proportionalMiB"),
    descriptors,
    threads: sum("threads"),
    children: uses.slice(1).map(({ command }) => command),
    rules,
    ports,
    gauges,
  };
}

/** Waits until nothing is held any more, `maxMs` at most, and then for a moment; tells what is left. */
export async function restingState(pod: Pod, tree: ProcessTree, maxMs: number): Promise<RestingState> {
  const giveUpAt = performance.now() + maxMs;
  for (;;) {
    const { gauges, ports } = await agentState(pod, tree);
    const isAtRest = Object.keys(gauges).length + ports.length === 0;
    if (isAtRest || performance.now() > giveUpAt) break;
    await sleep(250);
  }
  const before = await tree.sleeps();
  await sleep(WATCH_MS);
  const wakeUps = ((await tree.sleeps()) - before) / (WATCH_MS / 1000);
  return { ...(await agentState(pod, tree)), wakeUps };
}

/** What is in the sets of ports of all nftables tables. */
async function redirectedPorts(pod: Pod): Promise<number[]> {
  const ruleset = await pod.exec("nft", "list", "ruleset");
  const sets = [...ruleset.matchAll(/type inet_service\s+elements = \{([^}]*)\}/g)];
  return sets.flatMap(([, elements = ""]) => elements.split(",").map(Number));
}

async function busyGauges(): Promise<Record<string, number>> {
  const { body } = await request({ host: podIpv4, port: METRICS_PORT, path: "/metrics" });
  return gaugesOf(body);
}

/** The gauges of an exposition that are not 0, by name and labels, without those that belong to no session. */
export function gaugesOf(exposition: string): Record<string, number> {
  const gauges = new Set([...exposition.matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name));
  const found: Record<string, number> = {};
  for (const [, sample = "", name = "", value] of exposition.matchAll(/^((\w+)(?:\{[^}]*\})?) (\S+)$/gm)) {
    if (gauges.has(name) && !NOT_OF_SESSIONS.test(name) && Number(value) !== 0) found[sample] = Number(value);
  }
  return found;
}
