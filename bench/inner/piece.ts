// A hot inner piece of agent or protocol, alone: something that can be done many times in a row, without sockets.

export interface Piece {
  /** `group/what`. */
  readonly name: string;
  /** How many operations one call of `run` does. Default 1. */
  readonly operations?: number;
  /** Returns something, so that no compiler leaves the work out. */
  readonly run: () => unknown;
}

export interface PieceResult {
  readonly name: string;
  /** Processor time of one operation in nanoseconds, for each sample. */
  readonly samplesNs: readonly number[];
  /** Heap and array buffers that one operation allocates, garbage or not; about. */
  readonly allocatedBytes: number;
}

/** Loads a module of the agent, which has no public entry for its parts, from beside its main module. @throws when there is none of that name. */
export async function loadFromAgent<T>(name: string): Promise<T> {
  const entry = import.meta.resolve("@understudy/agent");
  const extension = entry.slice(entry.lastIndexOf("."));
  return (await import(new URL(`${name}${extension}`, entry).href)) as T;
}
