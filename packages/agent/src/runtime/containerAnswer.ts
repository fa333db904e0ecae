// What a container runtime says of a container.

/** What is asked for. */
export interface ContainerQuestion {
  readonly containerId: string;
  /** Ends the question. */
  readonly signal: AbortSignal;
}

/** The container's main process, as the runtime's own process namespace shows it, and the environment of its specification. */
export interface ContainerAnswer {
  readonly pid: number;
  /** Entries as "NAME=value"; null where the runtime does not say. */
  readonly environment: readonly string[] | null;
}

/** Asks one runtime at one socket. Rejects when there is no such socket, it does not answer, or it knows no such container that runs. */
export type AskRuntime = (socketPath: string, question: ContainerQuestion) => Promise<ContainerAnswer>;

/** The texts of a list that came as JSON; null for anything else. */
export function textsOf(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : null;
}

/** A member of a value that came as JSON; undefined where there is none. */
export function memberOf(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

/** @throws when it is no id of a process that runs. */
export function runningPid(pid: unknown): number {
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) throw new Error("the container does not run");
  return pid;
}
