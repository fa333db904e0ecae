// A client's requests for variables of the target's environment. One at a time: matching many patterns is work.

import type { DaemonMessage } from "@understudy/protocol";
import { remoteKindError } from "../errors/remoteError.ts";
import { WorkInOrder } from "../task/orderedAnswers.ts";
import type { Services } from "./services.ts";

export interface EnvironmentRequestsOptions {
  readonly services: Pick<Services, "environment" | "selectEnvironment" | "refusals" | "work">;
  /** The session's. */
  readonly signal: AbortSignal;
  readonly send: (answer: DaemonMessage) => void;
  readonly onError: (error: unknown) => void;
}

/** Of one session. */
export class EnvironmentRequests {
  readonly #options: EnvironmentRequestsOptions;
  readonly #inOrder: WorkInOrder;

  constructor(options: EnvironmentRequestsOptions) {
    this.#options = options;
    this.#inOrder = new WorkInOrder(options.onError);
  }

  /** Requests under way or waiting. */
  get pending(): number {
    return this.#inOrder.pending;
  }

  /** `filter` names what to leave out, `select` what to have. */
  ask(filter: ReadonlySet<string>, select: ReadonlySet<string>): void {
    const { services, signal, send } = this.#options;
    const { environment, selectEnvironment, refusals, work } = services;
    this.#inOrder.add(async () => {
      if (signal.aborted) return;
      work.begin("getEnvVarsRequest");
      if (refusals.environment !== null && environment.size === 0) {
        const error = remoteKindError({ kind: "permissionDenied" }, refusals.environment).response;
        send({ kind: "getEnvVarsResponse", value: { kind: "err", value: error } });
        return;
      }
      const value = await selectEnvironment(environment, filter, select, signal);
      send({ kind: "getEnvVarsResponse", value: { kind: "ok", value } });
    });
  }

  /** Drops those that wait. */
  clear(): void {
    this.#inOrder.clear();
  }
}
