// Measures how cost grows with what an agent has to do, and draws it.
//
// Usage: node --conditions=source bench/curves/run.ts [--only NAME,NAME] [--rounds N] [--out FOLDER]
// Markdown goes to standard output; with --out also curves.json and an SVG of each curve to that folder.

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execPath, exit, stderr, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { podSkipReason } from "@understudy/test";
import { median } from "../statistics.ts";
import { type Curve, type CurvePoint, steepness } from "./curve.ts";
import { curves } from "./curves.ts";
import { svg } from "./draw.ts";

/** A line steeper than this between two points bends upward. */
const STEEP = 0.2;
const POINT_MAX_MS = 180_000;

const run = promisify(execFile);
const { values } = parseArgs({ options: { only: { type: "string" }, rounds: { type: "string", default: "3" }, out: { type: "string" } } });
const only = values.only?.split(",") ?? curves.map(({ name }) => name);
const unknown = only.find((name) => !curves.some((curve) => curve.name === name));
const reason =
  unknown === undefined ? podSkipReason() : `there is no curve "${unknown}"; there are ${curves.map(({ name }) => name).join(", ")}`;
if (reason !== false) {
  stderr.write(`bench/curves: ${reason}\n`);
  exit(2);
}

async function measureOnce({ name }: Curve, size: number): Promise<CurvePoint> {
  const program = fileURLToPath(new URL("measure.ts", import.meta.url));
  const { stdout } = await run(execPath, ["--conditions=source", program, name, String(size)], {
    timeout: POINT_MAX_MS,
    killSignal: "SIGKILL",
  });
  return JSON.parse(stdout) as CurvePoint;
}

async function measureCurve(curve: Curve): Promise<CurvePoint[]> {
  const points: CurvePoint[] = [];
  for (const size of curve.points) {
    const rounds: CurvePoint[] = [];
    for (let round = 0; round < Number(values.rounds); round++) rounds.push(await measureOnce(curve, size));
    const point = { size, costUs: median(rounds.map(({ costUs }) => costUs)), memoryMiB: median(rounds.map(({ memoryMiB }) => memoryMiB)) };
    stderr.write(`${curve.name}, ${size}: ${point.costUs.toPrecision(3)} µs, ${point.memoryMiB.toFixed(1)} MiB\n`);
    points.push(point);
  }
  return points;
}

function markdown({ name, unit }: Curve, points: readonly CurvePoint[]): string {
  const lines = points.map((point, index) => {
    const before = points[index - 1];
    const slope = before === undefined ? null : steepness(before, point);
    const bend = slope !== null && slope > STEEP ? `**${slope.toFixed(2)}**` : (slope?.toFixed(2) ?? "–");
    return `| ${point.size.toLocaleString("en")} | ${point.costUs.toPrecision(3)} | ${bend} | ${point.memoryMiB.toFixed(1)} |`;
  });
  return [
    `${name} (${unit})`,
    "",
    "| size | µs a unit | steepness | memory above idle, MiB |",
    "|---:|---:|---:|---:|",
    ...lines,
    "",
    "",
  ].join("\n");
}

const measured: Record<string, readonly CurvePoint[]> = {};
if (values.out !== undefined) await mkdir(values.out, { recursive: true });
for (const curve of curves.filter(({ name }) => only.includes(name))) {
  const points = await measureCurve(curve);
  measured[curve.name] = points;
  if (values.out !== undefined) await writeFile(join(values.out, `${curve.name}.svg`), svg(curve.name, curve.unit, points));
  stdout.write(markdown(curve, points));
}
if (values.out !== undefined) await writeFile(join(values.out, "curves.json"), `${JSON.stringify(measured, null, 1)}\n`);
exit(0);
