// What a scenario of the soak is: one turn of something that clients do, over and over, with a rest in between. A turn leaves nothing behind on this side; what the
// agent leaves behind is what the soak looks for.

import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "@understudy/client";
import type { AgentProcess } from "../pod/agentProcess.ts";
import type { Pod } from "../pod/pod.ts";

export interface World {
  readonly pod: Pod;
  readonly agent: AgentProcess;
  /** A folder of this machine, which the target has, too. */
  readonly folder: string;
  /** Aborts when scenarios are to end; a turn may finish first. */
  readonly signal: AbortSignal;
}

export interface Scenario {
  readonly name: string;
  /** How many run side by side. */
  readonly loops: number;
  /** Between two turns. */
  readonly restMs: number;
  /** Rejects when something went otherwise than it must. `number` is different for every turn. */
  turn(world: World, number: number): Promise<void>;
}

/** Runs `work` in a session that ends with it, well-mannered. */
export async function inSession(world: World, work: (session: Session) => Promise<void>): Promise<void> {
  const said: string[] = [];
  await using session = await world.agent.connect({ onLog: ({ message }) => said.push(message) });
  try {
    await work(session);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // What the agent tells a client is often why.
    error.message += said.map((text) => `; the agent said: ${text}`).join("");
    throw error;
  }
}

/** Longest wait for one thing; a loaded machine takes a second for it at most. */
const WAIT_MAX_MS = 10_000;

/** Resolves as `work` does, or rejects with what was waited for in vain. */
export async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const finished = new AbortController();
  const late = sleep(WAIT_MAX_MS, undefined, { signal: finished.signal }).then(() => {
    throw new Error(`${what} did not come within ${WAIT_MAX_MS} ms`);
  });
  // Aborted when the work was done in time.
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    finished.abort();
  }
}

export function expect(isTrue: boolean, otherwise: string): void {
  if (!isTrue) throw new Error(otherwise);
}
