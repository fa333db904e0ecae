// A soak as Markdown.

import type { RestingState } from "./agentState.ts";
import type { SoakResult } from "./soak.ts";

/** Under load, memory is shown for so many spans of the whole time. */
const SPANS = 12;

export function markdown(result: SoakResult): string {
  const { warm, end, turns, samples, seconds, warmUpSeconds, limits } = result;
  return [
    `# Soak of ${minutes(warmUpSeconds + seconds)}`,
    "",
    `All scenarios at once, sessions coming and going. They stopped twice, after ${minutes(warmUpSeconds)} and at the end; what the agent held then, with nobody connected:`,
    "",
    "| at rest | warm | end |",
    "|---|---:|---:|",
    row("resident memory, MiB", warm, end, ({ residentMiB }) => residentMiB.toFixed(1)),
    row("memory with shared pages divided, MiB", warm, end, ({ proportionalMiB }) => proportionalMiB.toFixed(1)),
    row("open descriptors", warm, end, ({ descriptors }) => String(descriptors.length)),
    row("threads", warm, end, ({ threads }) => String(threads)),
    row("wake-ups a second", warm, end, ({ wakeUps }) => wakeUps.toFixed(1)),
    row("children", warm, end, ({ children }) => String(children.length)),
    row("redirected ports", warm, end, ({ ports }) => String(ports.length)),
    row("redirect rules", warm, end, ({ rules }) => String(rules.length)),
    row("gauges other than 0", warm, end, ({ gauges }) => String(Object.keys(gauges).length)),
    "",
    `Memory may grow by ${limits.memoryMiB} MiB between the two.`,
    "",
    result.problems.length === 0
      ? "**Nothing was wrong.**"
      : `**${result.problems.length} problems:**\n\n${result.problems.map((each) => `- ${each}`).join("\n")}`,
    "",
    "| under load, s | resident, median MiB | highest | descriptors, highest |",
    "|---|---:|---:|---:|",
    ...spans(samples),
    "",
    "| scenario | turns |",
    "|---|---:|",
    ...Object.entries(turns).map(([name, count]) => `| ${name} | ${count.toLocaleString("en")} |`),
    "",
  ].join("\n");
}

function row(name: string, warm: RestingState | null, end: RestingState | null, figure: (state: RestingState) => string): string {
  return `| ${name} | ${warm === null ? "–" : figure(warm)} | ${end === null ? "–" : figure(end)} |`;
}

function spans(samples: SoakResult["samples"]): string[] {
  const size = Math.max(1, Math.ceil(samples.length / SPANS));
  return Array.from({ length: Math.ceil(samples.length / size) }, (_, index) => {
    const span = samples.slice(index * size, (index + 1) * size);
    const resident = span.map(({ residentMiB }) => residentMiB).sort((one, other) => one - other);
    const [from, to] = [span[0]!.atSeconds, span.at(-1)!.atSeconds];
    const middle = resident[Math.floor(resident.length / 2)]!;
    const descriptors = Math.max(...span.map((sample) => sample.descriptors));
    return `| ${from}–${to} | ${middle.toFixed(1)} | ${resident.at(-1)!.toFixed(1)} | ${descriptors} |`;
  });
}

function minutes(seconds: number): string {
  return seconds < 60 ? `${seconds} seconds` : `${Number((seconds / 60).toFixed(1))} minutes`;
}
