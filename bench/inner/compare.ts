// Compares the inner pieces of this tree with those of another commit, by turns, and says what has become dearer. A suspect is measured again before it is named.

import { execFile } from "node:child_process";
import { argv, execPath, exit, stderr, stdout } from "node:process";
import { parseArgs, promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { type BaseTree, checkOutBase } from "./baseTree.ts";
import type { PieceResult } from "./piece.ts";
import { isDearer, ratios, type Samples, TOLERANCE } from "./verdict.ts";

const run = promisify(execFile);
const home = fileURLToPath(new URL("../../", import.meta.url));

const help = `Compares the inner pieces of this tree (codec, HTTP heads, filters, write queue) with those of another commit.

Usage: bench/compare [OPTIONS] BASE

Options:
  --rounds N     Rounds of each version, by turns [default: 3]; suspects get twice as many again
  --only NAMES   Names of pieces or groups, separated by semicolons [default: all]
  --sample-ms N  Processor time of a sample [default: 50]

Exit codes: 0 nothing is dearer by more than ${TOLERANCE * 100} %; 1 something is; 2 it could not be done.
`;

interface Options {
  readonly base: string;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly sampleMs: string;
}

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    args: argv.slice(2),
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "3" },
      only: { type: "string" },
      "sample-ms": { type: "string", default: "50" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    stdout.write(help);
    exit(0);
  }
  const [base, ...more] = positionals;
  if (base === undefined || more.length > 0) throw new Error("name one commit to compare with");
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds: "${values.rounds}" is no number from 1 up`);
  return { base, rounds, only: values.only?.split(";") ?? [], sampleMs: values["sample-ms"] };
}

type AllSamples = Map<string, { base: number[]; ours: number[] }>;

async function measure(tree: BaseTree, { rounds, sampleMs }: Options, only: readonly string[], samples: AllSamples): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const side of ["base", "ours"] as const) {
      stderr.write(`round ${round} of ${rounds}, ${side}\n`);
      const program = `${side === "base" ? tree.path : home}/bench/inner/run.ts`;
      const choice = only.length === 0 ? [] : ["--only", only.join(";")];
      const { stdout } = await run(execPath, ["--conditions=source", program, "--json", "--sample-ms", sampleMs, ...choice], {
        maxBuffer: 1 << 24,
      });
      for (const { name, samplesNs } of JSON.parse(stdout) as PieceResult[]) {
        if (!samples.has(name)) samples.set(name, { base: [], ours: [] });
        samples.get(name)![side].push(...samplesNs);
      }
    }
  }
}

const dearer = (samples: AllSamples): string[] => [...samples].filter(([, each]) => isDearer(each)).map(([name]) => name);

async function compare(options: Options): Promise<number> {
  await using tree = await checkOutBase(home, options.base);
  const samples: AllSamples = new Map();
  await measure(tree, options, options.only, samples);
  const suspects = dearer(samples);
  // Apart from the first samples: what was noise there must not count again.
  const again: AllSamples = new Map();
  if (suspects.length > 0) {
    stderr.write(`measured again, since they look dearer: ${suspects.join("; ")}\n`);
    await measure(tree, { ...options, rounds: 2 * options.rounds }, suspects, again);
  }
  const regressions = dearer(again);
  stdout.write(
    `Against ${tree.commit.slice(0, 12)}; below 1 this tree is cheaper.\n\n| piece | ratio of the least | ratio of the medians | |\n|---|---:|---:|---|\n`,
  );
  for (const [name, each] of new Map([...samples, ...again])) stdout.write(`${line(name, each, regressions.includes(name))}\n`);
  stdout.write(regressions.length === 0 ? "\nNothing is dearer.\n" : `\n${regressions.length} dearer by more than ${TOLERANCE * 100} %.\n`);
  return regressions.length === 0 ? 0 : 1;
}

function line(name: string, samples: Samples, isRegression: boolean): string {
  if (samples.base.length === 0 || samples.ours.length === 0) return `| ${name} | – | – | only in one of the two |`;
  const { least, middle } = ratios(samples);
  return `| ${name} | ${least.toFixed(2)} | ${middle.toFixed(2)} | ${isRegression ? "**dearer**" : ""} |`;
}

try {
  process.exitCode = await compare(readOptions());
} catch (error) {
  stderr.write(`bench/compare: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  process.exitCode = 2;
}
