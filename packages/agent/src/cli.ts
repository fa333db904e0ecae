// The command line, exactly as the reference takes it: options of the program before the mode word, options of the mode
// after it, environment variables for some. Pure: what to print and how to exit is returned, not done.

import { isIPv4, isIPv6 } from "node:net";
import { mainHelp, modeHelp, usageHint, versionText } from "./cliHelp.ts";

/** What to serve. */
export type AgentMode =
  | { readonly kind: "targeted"; readonly containerId: string; readonly containerRuntime: string }
  | { readonly kind: "ephemeral" }
  | { readonly kind: "targetless" }
  /** Of this agent alone: a process by its id, as the agent sees it. */
  | { readonly kind: "process"; readonly pid: number };

/** A command line that asks for an agent. */
export interface AgentOptions {
  /** Port for clients; 0 takes any. */
  readonly communicatePort: number;
  /** Time for the first client to come. */
  readonly communicationTimeoutMs: number;
  /** Where to serve metrics; null: nowhere. IPv6 addresses without brackets. */
  readonly metrics: { readonly ip: string; readonly port: number } | null;
  /** The operator's certificate; null: plain TCP. */
  readonly operatorTlsCertPem: string | null;
  /** Remove leftover rules instead of refusing to start. */
  readonly cleanIptablesOnStart: boolean;
  /** Accepted; `MIRRORD_AGENT_IN_SERVICE_MESH` is what counts. */
  readonly isMesh: boolean;
  /** For tests of clients: fail after the first one has connected. */
  readonly testError: boolean;
  readonly mode: AgentMode;
}

/** What a command line asks for. */
export type CommandLine =
  | { readonly kind: "run"; readonly options: AgentOptions }
  | { readonly kind: "print"; readonly text: string; readonly stream: "stdout" | "stderr"; readonly exitCode: number };

/** Highest process id that Linux gives (proc_sys_kernel(5), `pid_max`). */
const PID_MAX = 2 ** 22;

type ModeName = AgentMode["kind"];

interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Flags take no value. */
  readonly isFlag?: true;
  readonly env?: string;
  /** A value that is never repeated in an error. */
  readonly isSecret?: true;
}

const mainSpecs: readonly OptionSpec[] = [
  { name: "--communicate-port", short: "-l" },
  { name: "--communication-timeout", short: "-t" },
  { name: "--metrics", env: "MIRRORD_AGENT_METRICS" },
  { name: "--operator-tls-cert-pem", env: "AGENT_OPERATOR_CERT_ENV", isSecret: true },
  { name: "--clean-iptables-on-start", isFlag: true, env: "MIRRORD_AGENT_CLEAN_IPTABLES_ON_START" },
  { name: "--is-mesh", isFlag: true, env: "MIRRORD_AGENT_IN_SERVICE_MESH" },
  { name: "--test-error", isFlag: true },
  { name: "--ipv6", isFlag: true },
  { name: "--help", short: "-h", isFlag: true },
  { name: "--version", short: "-V", isFlag: true },
];

const helpSpec: OptionSpec = { name: "--help", short: "-h", isFlag: true };
const modeSpecs: Readonly<Record<ModeName, readonly OptionSpec[]>> = {
  targeted: [{ name: "--container-id", short: "-c" }, { name: "--container-runtime", short: "-r" }, { name: "--mesh" }, helpSpec],
  ephemeral: [{ name: "--mesh" }, helpSpec],
  targetless: [helpSpec],
  process: [{ name: "--pid", short: "-p" }, helpSpec],
};

/** Reads the arguments that follow the program's name. Options of the command line win over the environment. */
export function parseCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  try {
    return parse(argv, env);
  } catch (error) {
    if (error instanceof EarlyEnd) return error.result;
    throw error;
  }
}

/** Leaves the parser: with a usage error, or with a text that was asked for. */
class EarlyEnd extends Error {
  readonly result: CommandLine;

  constructor(result: CommandLine) {
    super("the command line asks for no agent");
    this.result = result;
  }
}

function usageError(text: string): EarlyEnd {
  return new EarlyEnd({ kind: "print", text: `error: ${text}\n${usageHint}`, stream: "stderr", exitCode: 2 });
}

function asked(text: string): EarlyEnd {
  return new EarlyEnd({ kind: "print", text, stream: "stdout", exitCode: 0 });
}

function parse(argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  const main = readOptions(argv, mainSpecs, mainHelp);
  const [word, ...rest] = main.rest;
  if (word === undefined) throw new EarlyEnd({ kind: "print", text: mainHelp, stream: "stderr", exitCode: 2 });
  if (word === "help") throw helpFor(rest);
  if (!isMode(word)) throw usageError(`unrecognized mode ${shown(word)}`);
  const mode = readOptions(rest, modeSpecs[word], modeHelp[word]);
  const [extra] = mode.rest;
  if (extra !== undefined) throw usageError(`unexpected argument ${shown(extra)} after ${word}`);

  withEnvironment(main.values, env);
  const { values } = main;
  return {
    kind: "run",
    options: {
      communicatePort: u16(values, "--communicate-port", 61337),
      communicationTimeoutMs: u16(values, "--communication-timeout", 30) * 1000,
      metrics: socketAddress(values),
      operatorTlsCertPem: values.get("--operator-tls-cert-pem") ?? null,
      cleanIptablesOnStart: flag(values, "--clean-iptables-on-start"),
      isMesh: flag(values, "--is-mesh"),
      testError: flag(values, "--test-error"),
      mode: modeOf(word, mode.values),
    },
  };
}

type Values = Map<string, string>;

/** Reads options up to the first argument that is none. Help and version end the parser where they stand. */
function readOptions(argv: readonly string[], specs: readonly OptionSpec[], help: string): { values: Values; rest: readonly string[] } {
  const values: Values = new Map();
  let index = 0;
  for (; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    if (!argument.startsWith("-") || argument === "-") break;
    const { spec, attached } = matchOption(argument, specs);
    if (spec.isFlag === true) {
      if (attached !== null) throw usageError(`unexpected value in ${shown(argument)}: ${spec.name} takes none`);
      if (spec.name === "--help") throw asked(help);
      if (spec.name === "--version") throw asked(versionText);
    }
    if (values.has(spec.name)) throw usageError(`${spec.name} is given more than once`);
    if (spec.isFlag === true) {
      values.set(spec.name, "true");
    } else if (attached === null) {
      const next = argv[++index];
      if (next === undefined || (next.startsWith("-") && next !== "-")) throw usageError(`${spec.name} needs a value`);
      values.set(spec.name, next);
    } else {
      values.set(spec.name, attached);
    }
  }
  return { values, rest: argv.slice(index) };
}

/** The option an argument names, and a value in the same argument: `--opt=value`, `-oVALUE`, `-o=VALUE`. */
function matchOption(argument: string, specs: readonly OptionSpec[]): { spec: OptionSpec; attached: string | null } {
  const equals = argument.indexOf("=");
  const isLong = argument.startsWith("--");
  const name = isLong ? (equals === -1 ? argument : argument.slice(0, equals)) : argument.slice(0, 2);
  const spec = specs.find((candidate) => candidate.name === name || candidate.short === name);
  // Not a mode option where a program option stands, and the reverse: say where it belongs. Never repeat a value: it may be a secret.
  if (spec === undefined) throw usageError(`unexpected option ${shown(name)}${placeHint(name, specs)}`);
  if (isLong) return { spec, attached: equals === -1 ? null : argument.slice(equals + 1) };
  const rest = argument.slice(2);
  return { spec, attached: rest === "" ? null : rest.replace(/^=/, "") };
}

function placeHint(name: string, specs: readonly OptionSpec[]): string {
  const isIn = (others: readonly OptionSpec[]): boolean => others.some((spec) => spec.name === name || spec.short === name);
  if (specs !== mainSpecs && isIn(mainSpecs)) return " (it belongs before the mode)";
  if (specs === mainSpecs && Object.values(modeSpecs).some(isIn)) return " (it belongs after the mode)";
  return "";
}

function helpFor(words: readonly string[]): EarlyEnd {
  const [mode, extra] = words;
  if (extra !== undefined) return usageError(`unexpected argument ${shown(extra)} after help`);
  if (mode === undefined || mode === "help") return asked(mainHelp);
  return isMode(mode) ? asked(modeHelp[mode]) : usageError(`unrecognized mode ${shown(mode)}`);
}

/** Fills in what the command line left open. Flags take exactly true or false there. */
function withEnvironment(values: Values, env: NodeJS.ProcessEnv): void {
  for (const spec of mainSpecs) {
    const text = spec.env === undefined ? undefined : env[spec.env];
    if (spec.env === undefined || text === undefined || values.has(spec.name)) continue;
    if (spec.isFlag === true && text !== "true" && text !== "false") {
      throw usageError(`invalid value ${shown(text)} of ${spec.env}: expected true or false`);
    }
    values.set(spec.name, text);
  }
}

function modeOf(kind: ModeName, values: Values): AgentMode {
  switch (kind) {
    case "targeted": {
      const containerId = values.get("--container-id");
      if (containerId === undefined) throw usageError("targeted needs --container-id <ID>");
      return { kind, containerId, containerRuntime: values.get("--container-runtime") ?? "containerd" };
    }
    case "process":
      return { kind, pid: processId(values.get("--pid")) };
    case "ephemeral":
    case "targetless":
      return { kind };
  }
}

function processId(text: string | undefined): number {
  if (text === undefined) throw usageError("process needs --pid <PID>");
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid < 1 || pid > PID_MAX) throw usageError(`invalid value ${shown(text)} of --pid: expected a whole number from 1 to ${PID_MAX}`);
  return pid;
}

function isMode(word: string): word is ModeName {
  return Object.hasOwn(modeSpecs, word);
}

function flag(values: Values, name: string): boolean {
  return values.get(name) === "true";
}

function u16(values: Values, name: string, byDefault: number): number {
  const text = values.get(name);
  if (text === undefined) return byDefault;
  const value = parseU16(text);
  if (value === null) throw usageError(`invalid value ${shown(text)} of ${name}: expected a whole number from 0 to 65535`);
  return value;
}

function parseU16(text: string): number | null {
  if (!/^\+?\d{1,20}$/.test(text)) return null;
  const value = Number(text);
  return value <= 65535 ? value : null;
}

function socketAddress(values: Values): AgentOptions["metrics"] {
  const text = values.get("--metrics");
  if (text === undefined) return null;
  const match = /^(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<four>[0-9.]+)):(?<port>\d{1,5})$/.exec(text);
  const { six, four, port } = match?.groups ?? {};
  const number = port === undefined ? null : parseU16(port);
  if (number !== null && six !== undefined && isIPv6(six)) return { ip: six, port: number };
  if (number !== null && four !== undefined && isIPv4(four)) return { ip: four, port: number };
  throw usageError(`invalid value ${shown(text)} of --metrics: expected <IP>:<PORT> or [<IPv6>]:<PORT>`);
}

/** An argument in an error: quoted, short, one line. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
