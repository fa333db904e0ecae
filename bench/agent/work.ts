// What a work is: one thing that an agent is made to do, and the figures of how it did. Runner and report know works by this alone.

import type { Session } from "@understudy/client";
import type { AgentProcess, Pod, ProcessTree } from "@understudy/test";

/** One measured number. */
export interface Figure {
  /** What was measured; the first figure of a work gives the work its line in the report. */
  readonly what: string;
  readonly unit: "per s" | "MB/s" | "ms" | "µs" | "MiB" | "part" | "times";
  readonly better: "higher" | "lower";
  readonly value: number;
}

/** A fresh agent in a fresh pod, and how long to measure it. */
export interface Measurement {
  readonly pod: Pod;
  readonly agent: AgentProcess;
  /** All processes of the agent. */
  readonly tree: ProcessTree;
  /** From the start of the agent's process until it said that it is ready. */
  readonly readyAfterMs: number;
  /** How long to measure. */
  readonly seconds: number;
  /** Load before that, which does not count. */
  readonly warmUpSeconds: number;
  /** A folder of this measurement, outside and inside the pod. */
  readonly folder: string;
  /** A session that ends with the measurement. */
  readonly session: () => Promise<Session>;
}

export interface Work {
  /** `group/variant`; the group is the name of its file. */
  readonly name: string;
  /** For `--list`. */
  readonly about: string;
  /** Programs without which it is skipped. */
  readonly needs?: readonly string[];
  /** Why it cannot be done on this machine, for what is no program. */
  readonly skipReason?: () => string | false;
  /** Rejects when the work cannot be done, or was done wrongly: then there are no figures. */
  measure(on: Measurement): Promise<readonly Figure[]>;
}
