// What the steps of the demo play on.

import type { Session } from "@understudy/client";
import type { HostPort } from "../hostPort.ts";
import type { Output } from "../output.ts";
import type { Narrator } from "./narrator.ts";
import type { Pod } from "./pod.ts";
import type { Answer } from "./visit.ts";

/** The tour owns all of it. */
export interface Stage {
  readonly pod: Pod;
  /** Where the agent in the pod listens. */
  readonly agent: HostPort;
  /** Open as long as the tour: the agent ends with its last client. */
  readonly session: Session;
  /** How the shop answered `coffee` before any step. */
  readonly before: Answer;
  readonly narrator: Narrator;
  readonly output: Output;
  /** Ends the tour. */
  readonly signal: AbortSignal;
}
