// The runner: starts a measuring process for each work, round and side, and puts together what they say. What works do is in works/, how to use it in ../README.md.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { argv, exit, stderr, stdout } from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { podSkipReason, toolsSkipReason } from "@understudy/test";
import { type BenchOptions, help, parseOptions } from "./options.ts";
import { type PlannedRun, planRuns } from "./plan.ts";
import { markdown } from "./report.ts";
import { type BenchResult, machine, type WorkResult, workResult } from "./results.ts";
import type { MeasuringResult, MeasuringTask } from "./task.ts";
import type { Work } from "./work.ts";
import { works } from "./works/index.ts";

/** For what a measurement needs beside the measured time: pod, agent, sessions, files. */
const SET_UP_MAX_SECONDS = 60;

async function measureOnce({ work, side }: PlannedRun, { against, seconds, warmUpSeconds }: BenchOptions): Promise<MeasuringResult> {
  const task: MeasuringTask = { work, command: side === "other" ? against : null, seconds, warmUpSeconds };
  const program = fileURLToPath(new URL("measure.ts", import.meta.url));
  const timeout = (2 * (seconds + warmUpSeconds) + SET_UP_MAX_SECONDS) * 1000;
  const child = spawn(process.execPath, ["--conditions=source", program, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
    killSignal: "SIGKILL",
  });
  const ended = once(child, "close");
  const [printed, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code, signal] = (await ended) as [number | null, string | null];
  if (signal === "SIGKILL") return { kind: "failed", reason: `it did not end within ${timeout / 1000} s` };
  if (code !== 0) return { kind: "failed", reason: `the measuring process ended with ${code ?? signal}: ${errors}` };
  return JSON.parse(printed) as MeasuringResult;
}

async function measureWork(work: Work, runs: readonly PlannedRun[], options: BenchOptions): Promise<WorkResult> {
  const skipped = toolsSkipReason(...(work.needs ?? [])) || work.skipReason?.() || null;
  if (skipped !== null) {
    stderr.write(`${work.name}: skipped, ${skipped}\n`);
    return { name: work.name, skipped, failures: [], figures: [] };
  }
  const done: { run: PlannedRun; result: MeasuringResult }[] = [];
  for (const run of runs) {
    stderr.write(`${run.work}, round ${run.round} of ${options.rounds}, ${run.side} … `);
    const result = await measureOnce(run, options);
    stderr.write(result.kind === "failed" ? `FAILED: ${result.reason}\n` : `${summary(result)}\n`);
    done.push({ run, result });
  }
  return workResult(work.name, done);
}

function summary({ figures }: MeasuringResult & { readonly kind: "figures" }): string {
  const [first] = figures;
  return first === undefined ? "nothing" : `${first.value.toPrecision(4)} ${first.unit}`;
}

async function run(options: BenchOptions): Promise<number> {
  const noPods = podSkipReason();
  if (noPods !== false) {
    stderr.write(`bench: agents are measured in pods made of namespaces, and here that ${noPods}\n`);
    return 1;
  }
  const planned = planRuns(
    works.map(({ name }) => name),
    options,
  );
  const results: WorkResult[] = [];
  for (const work of works) {
    const runs = planned.filter((one) => one.work === work.name);
    if (runs.length > 0) results.push(await measureWork(work, runs, options));
  }
  const { json, ...rest } = options;
  const result: BenchResult = { machine: machine(), options: rest, works: results };
  if (json !== null) await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  stdout.write(markdown(result));
  return results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

const command = parseOptions(
  argv.slice(2),
  works.map(({ name }) => name),
);
switch (command.kind) {
  case "help":
    stdout.write(help);
    break;
  case "list":
    for (const { name, about } of works) stdout.write(`${name.padEnd(22)} ${about}\n`);
    break;
  case "wrong":
    stderr.write(`bench: ${command.problem}\nFor more information, try --help.\n`);
    exit(2);
    break;
  case "run":
    exit(await run(command.options));
}
