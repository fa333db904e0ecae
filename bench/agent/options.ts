// The command line of the runner.

import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Command line of the agent to compare with; null measures this one alone. */
  readonly against: string | null;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Names of works or of groups; empty is all. */
  readonly only: readonly string[];
  /** File for the JSON. */
  readonly json: string | null;
}

export type BenchCommand =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "list" }
  | { readonly kind: "wrong"; readonly problem: string };

export const help = `Measures this repository's agent, alone or beside another one.

Usage: make bench [ARGS="OPTIONS"]
       node --conditions=source bench/agent/run.ts [OPTIONS]

Options:
      --against 'COMMAND'  Measure another agent by turns with this one. The command line is a shell's; {port} stands for its port
      --rounds N           How often everything is measured [default: 3]
      --seconds S          How long a work is measured [default: 2]
      --warm-up S          Load before that, which does not count [default: 0.5]
      --only NAME,NAME     Works or groups of works [default: all]
      --json FILE          Write everything that was measured there
      --list               Print the works
      --help               Print this text

Markdown goes to standard output, progress to standard error.
Exit codes: 0 all measured, or skipped with a reason; 1 some work failed; 2 the command line is wrong.

Example:
  make bench ARGS="--against 'mirrord-agent -l {port} -t 600 ephemeral' --only http,ping --json bench.json"
`;

export function parseOptions(argv: readonly string[], knownNames: readonly string[]): BenchCommand {
  try {
    return parse(argv, knownNames);
  } catch (error) {
    return { kind: "wrong", problem: error instanceof Error ? error.message : String(error) };
  }
}

function parse(argv: readonly string[], knownNames: readonly string[]): BenchCommand {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      against: { type: "string" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "2" },
      "warm-up": { type: "string", default: "0.5" },
      only: { type: "string" },
      json: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  if (values.list) return { kind: "list" };
  if (values.against !== undefined && !values.against.includes("{port}")) {
    throw new Error("--against has no {port} in it: the agent would not know where to listen");
  }
  const only = values.only?.split(",").filter((name) => name !== "") ?? [];
  const unknown = only.find((name) => !knownNames.some((known) => isChosen(known, name)));
  if (unknown !== undefined) throw new Error(`--only: there is no work or group "${unknown}"; --list prints them`);
  const rounds = number("--rounds", values.rounds, 1, 99);
  if (!Number.isInteger(rounds)) throw new Error(`--rounds: ${values.rounds} is no whole number`);
  const options: BenchOptions = {
    against: values.against ?? null,
    rounds,
    seconds: number("--seconds", values.seconds, 0.1, 600),
    warmUpSeconds: number("--warm-up", values["warm-up"], 0, 600),
    only,
    json: values.json ?? null,
  };
  return { kind: "run", options };
}

/** Whether a work's name is what was asked for: itself, or its group. */
export function isChosen(work: string, asked: string): boolean {
  return work === asked || work.startsWith(`${asked}/`);
}

function number(option: string, text: string, min: number, max: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= min && value <= max)) throw new Error(`${option}: "${text}" is no number from ${min} to ${max}`);
  return value;
}
