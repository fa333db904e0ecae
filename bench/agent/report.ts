// Results as Markdown: a line for each figure, the medians of both sides beside each other where there are two.

import type { BenchResult, FigureResult, WorkResult } from "./results.ts";

export function markdown({ machine, options, works }: BenchResult): string {
  const isComparison = options.against !== null;
  const head = isComparison
    ? ["| what | other | understudy | ratio | spread |", "|---|---:|---:|---:|---:|"]
    : ["| what | understudy | spread |", "|---|---:|---:|"];
  const { node, kernel, processor, cores, date } = machine;
  const rounds = `${options.rounds} ${isComparison ? "alternating " : ""}round${options.rounds === 1 ? "" : "s"} of ${options.seconds} s`;
  return [
    `${date}, ${cores} cores (${processor}), Linux ${kernel}, Node ${node}; medians of ${rounds}, after ${options.warmUpSeconds} s of warming up.`,
    ...(isComparison ? [`other: \`${options.against}\`. The ratio is understudy to other.`] : []),
    "Spread: how far a round was from its median at most.",
    "",
    ...head,
    ...works.flatMap((work) => lines(work, isComparison)),
    "",
  ].join("\n");
}

function lines({ name, skipped, failures, figures }: WorkResult, isComparison: boolean): string[] {
  const empty = "| ".repeat(isComparison ? 4 : 2);
  if (skipped !== null) return [`| ${name}: skipped, ${skipped} ${empty}|`];
  return [
    ...failures.map(({ side, round, reason }) => `| ${name}: **failed** (${side}, round ${round}): ${oneLine(reason)} ${empty}|`),
    ...figures.map((figure, index) => line(figure, index > 0, isComparison)),
  ];
}

function line({ what, unit, sides }: FigureResult, isDetail: boolean, isComparison: boolean): string {
  const { other, understudy } = sides;
  const name = `${isDetail ? "– " : ""}${what}, ${unit}`;
  const spread = Math.max(other?.spread ?? 0, understudy?.spread ?? 0);
  const ratio = other === undefined || understudy === undefined || other.median === 0 ? "–" : (understudy.median / other.median).toFixed(2);
  const cells = isComparison ? [name, shown(other?.median), shown(understudy?.median), ratio] : [name, shown(understudy?.median)];
  return `| ${[...cells, `±${Math.round(spread * 100)} %`].join(" | ")} |`;
}

/** Three digits that mean something, and no more. */
export function shown(value: number | undefined): string {
  if (value === undefined) return "–";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  return value.toLocaleString("en", { minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: Math.min(digits, 2) });
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").slice(0, 300);
}
