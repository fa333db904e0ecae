// The target: which process it is, where its files are, and whether its network can be had. Found once, at start. What finds and what enters are apart
// (`runtime/`, `namespace/`); here they come together, in the order that keeps a process that took over the target's id out of it.

import { env } from "node:process";
import type { AgentMode, AgentOptions } from "./cli.ts";
import { parseEnviron, parseEntries } from "./env/environ.ts";
import type { Log } from "./log/log.ts";
import type { CapabilityReport } from "./namespace/capabilityReport.ts";
import { enterNetworkNamespace } from "./namespace/enterNetworkNamespace.ts";
import { HeldProcess } from "./namespace/heldProcess.ts";
import { openRoot, readEnviron, type TargetRoot } from "./namespace/openedTarget.ts";
import { ContainerLookUp } from "./runtime/containerLookUp.ts";
import { findEphemeralTarget } from "./runtime/ephemeralTarget.ts";
import type { ContainerFinding } from "./runtime/findContainer.ts";
import { isKnownRuntime } from "./runtime/runtimeNames.ts";
import type { Settings } from "./settings.ts";
import { StartError } from "./startError.ts";

/** Disposing it lets go of the process. */
export interface Target extends Disposable {
  /** The target's main process; null without a target: files, names and connections are the agent's own then. */
  readonly process: HeldProcess | null;
  /** The target's container; empty where it is not known. */
  readonly containerId: string;
  /** Environment that the container's specification gives, before the process's own is laid over it. */
  readonly specifiedEnvironment: ReadonlyMap<string, string>;
  /** Why nothing may be done in a network: it is not the target's. Null where all is well. */
  readonly networkRefusal: string | null;
}

export interface FindTargetOptions {
  readonly options: AgentOptions;
  readonly settings: Settings;
  readonly log: Log;
  /** Told whether the network can be had. */
  readonly report: CapabilityReport;
  /** Ends a look-up under way. */
  readonly stop: AbortSignal;
}

/** A container that restarts while it is looked up gets another process; how often that may happen. */
const LOOK_UPS = 3;

/**
 * Finds the target. In targeted and process mode the calling thread is in its network namespace afterwards, or the target says that it is not; the thread pool is
 * not used before that.
 *
 * @throws StartError when there is no target, or it has gone; the admin has been told.
 */
export async function findTarget(finding: FindTargetOptions): Promise<Target> {
  const { options, settings, log, report } = finding;
  switch (options.mode.kind) {
    case "targetless":
      report.works("network", "being the agent's own");
      return {
        process: null,
        containerId: "",
        specifiedEnvironment: new Map(),
        networkRefusal: null,
        [Symbol.dispose]: () => undefined,
      };
    case "ephemeral": {
      const containerId = settings.ephemeralTargetContainerId;
      const process = hold(findEphemeralTarget(containerId, log.child("agent::runtime")), containerId, log);
      log.event("TARGET_FOUND", { pid: process.pid });
      report.works("network", "being shared");
      // Kubernetes has copied the environment of the target's specification into the agent's own.
      const specified = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
      return targetOf(process, containerId, new Map(specified), null);
    }
    case "targeted":
      return findContainerTarget(options.mode, finding);
    case "process": {
      const process = hold(options.mode.pid, "", log);
      log.event("TARGET_FOUND", { pid: process.pid });
      return targetOf(process, "", new Map(), enter(process, report));
    }
  }
}

async function findContainerTarget(
  { containerId, containerRuntime: runtime }: Extract<AgentMode, { kind: "targeted" }>,
  { settings, log, report, stop }: FindTargetOptions,
): Promise<Target> {
  const fail = (error: string): never => {
    log.event("TARGET_NOT_FOUND", { containerId, runtime, error });
    throw new StartError(`the container ${containerId} was not found`);
  };
  if (!isKnownRuntime(runtime)) return fail("unknown container runtime; known are containerd, docker and cri-o");
  using lookUp = new ContainerLookUp({ containerId, runtime, hostRoot: settings.hostRoot, signal: stop });
  const find = async (): Promise<ContainerFinding & { kind: "found" }> => {
    const found = await lookUp.ask().catch((error: unknown): ContainerFinding => ({ kind: "notFound", problems: [String(error)] }));
    if (stop.aborted) throw new StartError("the agent was stopped while it looked the target up");
    return found.kind === "found" ? found : fail(found.problems.join("; "));
  };
  let found = await find();
  for (let lookUps = 1; lookUps <= LOOK_UPS; lookUps++) {
    using owned = new DisposableStack();
    const { pid } = found.answer;
    const process = tryToHold(pid);
    if (process !== null) owned.use(process);
    // Asked again while the process is held: from here on the id cannot be another's unnoticed.
    found = await find();
    if (process?.isThere !== true || found.answer.pid !== pid) continue;
    log.event("TARGET_FOUND", { pid, by: found.by });
    if (found.problems.length > 0) log.child("agent::runtime").debug("not everybody knew it", { problems: found.problems.join("; ") });
    owned.move();
    return targetOf(process, containerId, parseEntries(found.answer.environment ?? []), enter(process, report));
  }
  return fail("its process changed again and again");
}

function tryToHold(pid: number): HeldProcess | null {
  try {
    return new HeldProcess(pid);
  } catch {
    // It has gone. Whoever named it is asked again.
    return null;
  }
}

function hold(pid: number, containerId: string, log: Log): HeldProcess {
  try {
    return new HeldProcess(pid);
  } catch (error) {
    log.event("TARGET_NOT_FOUND", { containerId, pid, error: String(error) });
    throw new StartError("the target's process has gone", { cause: error });
  }
}

/** Returns why it could not, or null. */
function enter(process: HeldProcess, report: CapabilityReport): string | null {
  try {
    enterNetworkNamespace(process);
    report.works("network", "entering");
  } catch (error) {
    report.refused("network", error);
  }
  return report.refusal("network");
}

function targetOf(
  process: HeldProcess,
  containerId: string,
  specifiedEnvironment: ReadonlyMap<string, string>,
  networkRefusal: string | null,
): Target {
  return { process, containerId, specifiedEnvironment, networkRefusal, [Symbol.dispose]: () => process[Symbol.dispose]() };
}

/** The environment of the target's process as it was started, laid over that of its specification. */
export function readTargetEnvironment({ process, specifiedEnvironment }: Target, report: CapabilityReport): ReadonlyMap<string, string> {
  try {
    return new Map([...specifiedEnvironment, ...parseEnviron(readEnviron(process))]);
  } catch (error) {
    report.refused("environment", error);
    return specifiedEnvironment;
  }
}

/** Null if the agent may not have it. */
export function openTargetRoot({ process }: Target, report: CapabilityReport): TargetRoot | null {
  try {
    return openRoot(process);
  } catch (error) {
    report.refused("files", error);
    return null;
  }
}
