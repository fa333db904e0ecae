// The process beside which an agent of this machine works. A namespace of ip-netns(8) may have none: a process that does nothing is put into it, with the
// files that ip-netns(8) lays over the machine's there (/etc/netns/NAME).

import { access, readdir } from "node:fs/promises";
import { searchPath } from "../../searchPath.ts";
import type { LocalTargetChoice } from "../agentChoice.ts";
import { ChildProgram } from "./childProgram.ts";
import { dockerContainerPid } from "./dockerContainer.ts";

const NAMESPACES = "/run/netns";
const HOLDER_MAX_MS = 5_000;

/** Disposing it ends what was started for it, and nothing else. */
export interface TargetProcess extends AsyncDisposable {
  readonly pid: number;
  /** For texts, such as `container web`. */
  readonly name: string;
}

/** @throws Error whose text says what to do. */
export async function findTargetProcess(choice: LocalTargetChoice, signal: AbortSignal): Promise<TargetProcess> {
  switch (choice.kind) {
    case "pid":
      await access(`/proc/${choice.pid}`).catch((cause: unknown) => {
        throw new Error(`there is no process ${choice.pid} on this machine`, { cause });
      });
      return running(choice.pid, `process ${choice.pid}`);
    case "docker":
      return running(await dockerContainerPid(choice.name, signal), `container ${choice.name}`);
    case "netns":
      return await holdNamespace(choice.name, signal);
  }
}

/** Those that ip-netns(8) knows. */
export async function namespaceNames(): Promise<readonly string[]> {
  return await readdir(NAMESPACES).catch(() => []);
}

function running(pid: number, name: string): TargetProcess {
  return { pid, name, [Symbol.asyncDispose]: () => Promise.resolve() };
}

async function holdNamespace(name: string, signal: AbortSignal): Promise<TargetProcess> {
  const known = await namespaceNames();
  if (!known.includes(name)) {
    throw new Error(`there is no network namespace ${name}; ip netns knows ${known.length === 0 ? "none" : known.toSorted().join(", ")}`);
  }
  // It ends with its standard input, thus also when this process is killed.
  const command = ["ip", "netns", "exec", name, "sh", "-c", "echo held; exec cat"];
  const holder = await ChildProgram.start(command, { env: { PATH: searchPath }, leaveMaxMs: HOLDER_MAX_MS });
  try {
    await holder.line((line) => line === "held", AbortSignal.any([signal, AbortSignal.timeout(HOLDER_MAX_MS)]));
  } catch (error) {
    await holder[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw new Error(`the network namespace ${name} cannot be entered: ${holder.lastLines || "no answer of ip netns exec"}`, {
      cause: error,
    });
  }
  return { pid: holder.pid, name: `network namespace ${name}`, [Symbol.asyncDispose]: () => holder[Symbol.asyncDispose]() };
}
