// `understudy env`: the target's environment variables, for programs that are to run as if they were the target's.

import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import { EXIT_FAILED } from "../../exitCodes.ts";
import { type Output, printable } from "../../output.ts";
import { dotenvLine, type EnvFormat, type FormatVariable, shellLine } from "./formats.ts";

export interface EnvCommandOptions extends AgentOptions {
  readonly select: readonly string[];
  readonly exclude: readonly string[];
  readonly format: EnvFormat;
}

/** Resolves with the exit code. */
export async function env({ select, exclude, format, ...agent }: EnvCommandOptions, output: Output): Promise<number> {
  return await withSession(agent, output, async (session) => {
    const variables = await session.env({ select, filter: exclude });
    const sorted = [...variables].toSorted(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, value] of sorted) noteReplaced(name, value, output);
    if (format === "json") await output.line(JSON.stringify(Object.fromEntries(sorted), null, 2));
    else await printLines(sorted, format === "shell" ? shellLine : dotenvLine, format, output);
    const missing = select.filter((name) => !/[*?]/.test(name) && !variables.has(name));
    for (const name of missing) output.note(`the target has no variable ${printable(name)}, or the agent does not tell it`);
    return missing.length === 0 ? 0 : EXIT_FAILED;
  });
}

async function printLines(
  variables: readonly (readonly [string, string])[],
  format: FormatVariable,
  name: string,
  output: Output,
): Promise<void> {
  for (const [key, value] of variables) {
    const line = format(key, value);
    if (line === null) output.note(`${printable(key)} is left out: ${name} cannot hold its name or value; --format json can`);
    else await output.line(output.isTerminal ? printableLines(line) : line);
  }
}

/** Agents show bytes that are not UTF-8 so. */
function noteReplaced(name: string, value: string, output: Output): void {
  if (value.includes("\uFFFD")) output.note(`the value of ${printable(name)} has bytes that are not UTF-8, shown as U+FFFD`);
}

function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
