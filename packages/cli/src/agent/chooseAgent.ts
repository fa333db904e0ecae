// Decides which agent is meant: the command line, else the config file, else, if the user says so, the one that was used last.

import { createInterface } from "node:readline/promises";
import { type Output, printable } from "../output.ts";
import { UsageError } from "../usageError.ts";
import { type AgentChoice, type AgentOptions, choiceOf, choiceText, namesAgent } from "./agentChoice.ts";
import { optionsOf } from "./agentSection.ts";
import { lastAgent } from "./lastAgent.ts";

const howToName =
  "give --agent HOST:PORT, --pod NAME, --deployment NAME, --netns NAME, --pid PID or --docker NAME, or put `agent:` into understudy.yaml";

/** @throws UsageError when no agent is meant, or several are; the reason of `signal`. */
export async function chooseAgent(options: AgentOptions, output: Output, signal: AbortSignal): Promise<AgentChoice> {
  const named = await namedAgent(options);
  if (named !== null) return named;
  const last = await lastAgent();
  if (last === null) throw new UsageError(`no agent is named: ${howToName}`);
  const text = printable(choiceText(last));
  if (!isTerminal()) throw new UsageError(`no agent is named: ${howToName} (the last one used was ${text})`);
  if (await confirmed(`No agent is named. Use the last one, ${text}? [y/N] `, output, signal)) return last;
  throw new UsageError(`no agent is named: ${howToName}`);
}

/** The agent that the options name, else the config file; null when neither does. @throws UsageError when they are wrong. */
export async function namedAgent(options: AgentOptions): Promise<AgentChoice | null> {
  if (namesAgent(options)) return choiceOf(options);
  // Loaded only where it is needed: it takes as long as all the rest of a command's start.
  const { findConfig } = await import("../config/configFile.ts");
  const config = await findConfig(options.config);
  if (config?.agent === undefined) return null;
  // What else the command line says about the agent goes before the file.
  return choiceOf({ ...optionsOf(config.agent), ...options });
}

function isTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

async function confirmed(question: string, output: Output, signal: AbortSignal): Promise<boolean> {
  // Not as a terminal of its own: Ctrl-C stays a signal, which the command waits for.
  const lines = createInterface({ input: process.stdin, terminal: false });
  output.writeError(question);
  try {
    const ended = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
    const answer = await Promise.race([lines.question("", { signal }), ended]);
    return /^(y|yes)$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
