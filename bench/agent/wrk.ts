// HTTP load by wrk, as a peer of the target outside the pod.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { podIpv4 } from "@understudy/test";
import { benchPorts } from "./ports.ts";
import type { Figure, Measurement } from "./work.ts";

const run = promisify(execFile);

export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The agent's, while it ran. */
  readonly processorMs: number;
}

export interface WrkLoad {
  readonly connections: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Runs wrk, first for the time that does not count. Rejects when a request failed. */
export async function wrkLoad(on: Pick<Measurement, "tree" | "seconds" | "warmUpSeconds">, load: WrkLoad): Promise<WrkResult> {
  if (on.warmUpSeconds > 0) await runWrk(load, on.warmUpSeconds);
  const before = await on.tree.processorMs();
  const text = await runWrk(load, on.seconds);
  return { ...parseWrk(text), processorMs: (await on.tree.processorMs()) - before };
}

async function runWrk({ connections, headers = {} }: WrkLoad, seconds: number): Promise<string> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  // wrk knows whole seconds only.
  const duration = `${Math.max(1, Math.round(seconds))}s`;
  const options = ["-t1", `-c${connections}`, `-d${duration}`, "--latency", "--timeout", "10s", ...fields];
  const { stdout } = await run("wrk", [...options, `http://${podIpv4}:${benchPorts.http}/`], { timeout: (seconds + 30) * 1000 });
  return stdout;
}

const unitsMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** What wrk printed. @throws Error when it tells of errors, or says nothing that can be read. */
export function parseWrk(text: string): Omit<WrkResult, "processorMs"> {
  const problem = /^\s*(Socket errors|Non-2xx).*$/m.exec(text);
  if (problem !== null) throw new Error(`wrk: ${problem[0].trim()}`);
  const percentileMs = (percent: number): number => {
    const [, value, unit = ""] = new RegExp(`^\\s*${percent}%\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(text) ?? [];
    return Number(value) * (unitsMs[unit] ?? Number.NaN);
  };
  const requests = Number(/^\s*(\d+) requests in/m.exec(text)?.[1]);
  const requestsPerSecond = Number(/^Requests\/sec:\s*([\d.]+)/m.exec(text)?.[1]);
  const result = { requests, requestsPerSecond, p50Ms: percentileMs(50), p99Ms: percentileMs(99) };
  if (!Object.values(result).every((value) => Number.isFinite(value)) || requests === 0) throw new Error(`wrk did no request:\n${text}`);
  return result;
}

export function wrkFigures(what: string, { requests, requestsPerSecond, p50Ms, p99Ms, processorMs }: WrkResult): readonly Figure[] {
  return [
    { what, unit: "per s", better: "higher", value: requestsPerSecond },
    { what: "p50", unit: "µs", better: "lower", value: p50Ms * 1000 },
    { what: "p99", unit: "µs", better: "lower", value: p99Ms * 1000 },
    { what: "processor time of one", unit: "µs", better: "lower", value: (processorMs * 1000) / requests },
  ];
}
