// Finds and reads the config file. What is wrong in it is told with its line and column, all of it at once.

import { readFile, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { isNode, isPair, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import type { AgentSection } from "../agent/agentSection.ts";
import { optionsOf } from "../agent/agentSection.ts";
import { choiceOf } from "../agent/agentChoice.ts";
import { parseForwardSpec } from "../commands/forward/forwardSpec.ts";
import { failureText } from "../failureText.ts";
import { parseHostPort } from "../hostPort.ts";
import { parsePortMapping, parseServerHost } from "../incoming/portMapping.ts";
import { UsageError } from "../usageError.ts";
import type { Config } from "./config.ts";
import { type ConfigProblem, configProblems } from "./configSchema.ts";

const FILE_NAME = "understudy.yaml";
const FILE_MAX_BYTES = 1024 * 1024;

/**
 * The config of a file that is named, else of the next `understudy.yaml` from a directory upwards; null when there is none.
 * @throws UsageError when it cannot be read, or is wrong.
 */
export async function findConfig(named: string | undefined, from: string = process.cwd()): Promise<Config | null> {
  const file = named ?? (await nextConfigFile(from));
  return file === null ? null : await readConfig(file);
}

/**
 * The next `understudy.yaml` from a directory upwards; null when there is none.
 * @throws UsageError when it is another user's, who could make this one run programs by it.
 */
export async function nextConfigFile(from: string): Promise<string | null> {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    const file = join(directory, FILE_NAME);
    const found = await stat(file).catch(() => null);
    if (found?.isFile() === true) {
      if (isTrusted(found.uid)) return file;
      throw new UsageError(`the config file ${file} belongs to another user: name it with --config if you trust it`);
    }
    if (directory === dirname(directory)) return null;
  }
}

/** This user's or root's, or of who became root by sudo(8). */
function isTrusted(owner: number): boolean {
  const user = process.getuid?.();
  return user === undefined || owner === user || owner === 0 || (user === 0 && String(owner) === process.env["SUDO_UID"]);
}

/** @throws UsageError with a line for each problem. */
export async function readConfig(file: string): Promise<Config> {
  const name = shortName(file);
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > FILE_MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${FILE_MAX_BYTES}`);
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`the config file ${name} cannot be read: ${failureText(error)}`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw new UsageError(document.errors.map(({ pos, message }) => `${place(pos[0])}: ${message.split("\n")[0]}`).join("\n"));
  }
  const value = valueOf(document, name);
  // An empty file, or one that is all comments.
  if (value === null) return {};
  const problems = problemsOf(value);
  if (problems.length > 0) {
    const told = problems.map((problem) => ({ offset: offsetOf(document, problem), problem })).sort((a, b) => a.offset - b.offset);
    throw new UsageError(told.map(({ offset, problem }) => `${place(offset)}: ${pathText(problem)}${problem.text}`).join("\n"));
  }
  return value as Config;
}

/** The section `agent` by itself. @throws Error when it is none. */
export function readAgentSection(value: unknown): AgentSection {
  const [problem] = configProblems(value, "agent");
  if (problem !== undefined) throw new Error(problem.text);
  return value as AgentSection;
}

/** As JSON has it; names that stand for more than a config can need are refused. */
function valueOf(document: Document, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    throw new UsageError(`${name}: ${failureText(error)}`);
  }
}

function problemsOf(value: unknown): readonly ConfigProblem[] {
  const problems = configProblems(value);
  return problems.length > 0 ? problems : meaningProblems(value as Config);
}

/** What no schema can tell. */
function meaningProblems({ agent, steal, mirror, forward = [] }: Config): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const check = (path: readonly (string | number)[], judge: () => unknown): void => {
    try {
      judge();
    } catch (error) {
      problems.push({ path, text: failureText(error), isKey: false });
    }
  };
  if (agent?.address !== undefined) check(["agent", "address"], () => parseHostPort(agent.address ?? ""));
  // An image may come from the command line.
  else if (agent !== undefined) check(["agent"], () => choiceOf(optionsOf({ image: "image", ...agent })));
  for (const [key, section] of Object.entries({ steal, mirror })) {
    for (const [index, mapping] of (section?.ports ?? []).entries()) check([key, "ports", index], () => parsePortMapping(String(mapping)));
    if (section?.to !== undefined) check([key, "to"], () => parseServerHost(section.to ?? ""));
  }
  for (const [index, spec] of forward.entries()) check(["forward", index], () => parseForwardSpec(spec));
  return problems;
}

/** Where in the text it is, in characters; of the next outer thing where it is not there itself. */
function offsetOf(document: Document, { path, isKey }: ConfigProblem): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    const items = isNode(parent) && "items" in parent ? (parent.items as unknown[]) : [];
    const pair = items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(last));
    const value: unknown = document.getIn(path.slice(0, length), true);
    const node = isPair(pair) && (isKey || length < path.length || !isNode(value)) ? pair.key : value;
    if (isNode(node) && node.range !== undefined && node.range !== null) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

/** As in `steal[0].filter: `, for the part of the path that is there. */
function pathText({ path, isKey }: ConfigProblem): string {
  const parts = isKey ? path.slice(0, -1) : path;
  if (parts.length === 0) return "";
  const text = parts.map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`)).join("");
  return `${text}: `;
}

/** As the user would type it, if that is shorter. */
function shortName(file: string): string {
  const near = relative(process.cwd(), file);
  return near.length < file.length ? near : file;
}
