// The agents under comparison as processes: this one from its sources, and the reference, where there is one. In the ephemeral mode both are in
// namespaces of a small target, into whose network the test's own thread moves.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { CLONE_NEWNET, setns } from "@understudy/native";
import { resolverFiles, startNameServer } from "./nameServer.ts";
import { closedTcpPort } from "./peers.ts";
import type { Mode } from "./scenario.ts";
import { agentVariables } from "./scenarios/control.ts";

/** How to start an agent, up to its options. */
export type AgentCommand = readonly [program: string, ...args: string[]];

/** This agent, without a build. */
export const ourCommand: AgentCommand = [
  process.execPath,
  "--conditions=source",
  fileURLToPath(new URL("../../packages/agent/src/main.ts", import.meta.url)),
];

/** The reference agent that the environment names; null when it names none. */
export function referenceCommand(): AgentCommand | null {
  const program = process.env["UNDERSTUDY_REFERENCE_AGENT"] ?? "";
  return program === "" ? null : [program];
}

/** Where agents and their files are. */
export interface Place extends AsyncDisposable {
  readonly mode: Mode;
  /** A folder for trees, as the test names it and as the agents do. */
  readonly folder: { readonly path: string; readonly seenAs: string };
  start(command: AgentCommand): Promise<RunningAgent>;
}

export interface RunningAgent extends AsyncDisposable {
  readonly port: number;
}

/** Why agents cannot run in a mode here; false where they can. */
export function placeSkipReason(mode: Mode): string | false {
  if (mode === "targetless" || process.env["CI"] !== undefined) return false;
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["ip", "unshare", "nsenter"]) if (spawnSync(tool, ["--version"]).error) return `needs ${tool}`;
  return false;
}

/** Variables of the target, which go before those of the agents. */
const targetVariables = { A1: "the target's", TARGET_ONLY: "yes" } as const;

export async function openPlace(mode: Mode): Promise<Place> {
  // Modes of new files are part of what is compared.
  process.umask(0o022);
  return mode === "targetless" ? await targetlessPlace() : await ephemeralPlace();
}

async function targetlessPlace(): Promise<Place> {
  const path = await mkdtemp(`${tmpdir()}/understudy-differential-`);
  return {
    mode: "targetless",
    folder: { path, seenAs: path },
    start: (command) => startAgent("targetless", command, []),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

async function ephemeralPlace(): Promise<Place> {
  await using owned = new AsyncDisposableStack();
  const etc = await mkdtemp(`${tmpdir()}/understudy-differential-etc-`);
  owned.defer(() => rm(etc, { recursive: true, force: true }));
  await writeFile(`${etc}/hosts`, resolverFiles.hosts);
  await writeFile(`${etc}/resolv.conf`, resolverFiles.resolvConf);
  const resolver = `mount --bind ${etc}/hosts /etc/hosts; mount --bind ${etc}/resolv.conf "$(readlink -f /etc/resolv.conf)"`;
  const setUp = `set -e; ${resolver}; mount -t tmpfs target /srv; ip link set lo up; echo ready; exec env -i ${variables(targetVariables)} cat`;
  const target = spawn("unshare", ["--net", "--pid", "--mount", "--fork", "--mount-proc", "sh", "-c", setUp], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  owned.defer(async () => {
    target.stdin.end();
    await ended(target);
  });
  await line(target.stdout, target, (text) => text === "ready");
  const pid = await onlyChild(target.pid ?? 0);
  const namespace = openSync(`/proc/${pid}/ns/net`, "r");
  setns(namespace, CLONE_NEWNET);
  closeSync(namespace);
  owned.use(await startNameServer());
  const agentSetUp = `set -e; mount -t proc proc /proc; ${resolver}; mount -t tmpfs agent /srv; echo agent > /srv/agent-only; exec "$@"`;
  const enter = ["nsenter", "--target", String(pid), "--net", "--pid", "--", "unshare", "--mount", "sh", "-c", agentSetUp, "sh"];
  const moved = owned.move();
  return {
    mode: "ephemeral",
    folder: { path: `/proc/${pid}/root/srv`, seenAs: "/srv" },
    start: (command) => startAgent("ephemeral", command, enter),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Starts an agent; it is ready on return. `enter` is a command that runs the command after it as its child. */
async function startAgent(mode: Mode, command: AgentCommand, enter: readonly string[]): Promise<RunningAgent> {
  const port = await closedTcpPort();
  const environment = { ...agentVariables, MIRRORD_AGENT_IDLE_TTL: "30" };
  const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const [program, ...args] = [...enter, "env", "-i", ...assignments, ...command, "-l", String(port), "-t", "30", mode];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    // Of a command that enters namespaces, the agent is the only child; the command ends with it.
    const pid = enter.length === 0 ? child.pid! : await onlyChild(child.pid!).catch(() => child.pid!);
    process.kill(pid, "SIGKILL");
    await ended(child);
  };
  try {
    await line(child.stdout, child, (text) => text.startsWith("agent ready"));
  } catch (error) {
    await stop();
    throw error;
  }
  child.stdout.resume();
  return { port, [Symbol.asyncDispose]: stop };
}

function variables(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `"${name}=${value}"`)
    .join(" ");
}

/** Waits for a line of a process's output. */
async function line(output: Readable, child: ChildProcess, matches: (text: string) => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: output }).on("line", (text) => matches(text) && resolve());
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${child.spawnfile} ended with ${code} before it was ready`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function onlyChild(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const child = Number(children.trim().split(" ")[0]);
  if (!(child > 0)) throw new Error(`process ${pid} has no child`);
  return child;
}

/** False where a scenario's answers would be others. */
export function isPossible(needs: "root" | "ipv6" | undefined): boolean {
  switch (needs) {
    case undefined:
      return true;
    case "root":
      return process.getuid?.() === 0;
    case "ipv6":
      return existsSync("/proc/sys/net/ipv6/conf/lo") && readDisabled() === "0";
  }
}

function readDisabled(): string {
  const { stdout } = spawnSync("cat", ["/proc/sys/net/ipv6/conf/lo/disable_ipv6"], { encoding: "utf8" });
  return stdout.trim();
}
