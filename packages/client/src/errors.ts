// The errors of a session: an agent's refusal of one request, a session that is over, and a request the agent is too old for.

import type { ResponseError } from "@understudy/protocol";
import { errnoName, responseErrorText } from "./responseErrorText.ts";

/** The agent's answer to one request that failed. The session goes on. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly response: ResponseError;
  /** The Linux number of the failed system call; null where none failed. */
  readonly errno: number | null;
  /** Its name, such as `ENOENT`; null where there is none. */
  readonly code: string | null;

  /** `what` was asked for, such as `open /etc/hosts`. */
  constructor(what: string, response: ResponseError) {
    super(`${what}: ${responseErrorText(response)}`);
    this.response = response;
    this.errno = response.kind === "remoteIO" ? response.value.rawOsError : null;
    this.code = this.errno === null ? null : errnoName(this.errno);
  }
}

/**
 * Why a session ended.
 * - `disposed`: by this side.
 * - `aborted`: the `signal` it was opened with aborted.
 * - `closedByAgent`: the agent said so and why, see `agentText`.
 * - `connectionLost`: the connection ended or failed.
 * - `malformed`: the agent sent what is no message, or an answer nobody asked for.
 * - `timeout`: the agent did not answer the first message, or a ping, in time.
 */
export type SessionEnd = "disposed" | "aborted" | "closedByAgent" | "connectionLost" | "malformed" | "timeout";

/** A session is over. Everything that still waits for its agent is rejected with the same error. */
export class SessionClosedError extends Error {
  override readonly name = "SessionClosedError";
  readonly end: SessionEnd;
  /** What the agent gave as the reason; null unless `end` is `closedByAgent`. */
  readonly agentText: string | null;

  constructor(end: SessionEnd, message: string, { agentText = null, cause }: { agentText?: string | null; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.end = end;
    this.agentText = agentText;
  }
}

/** The agent speaks a version of the protocol that does not have what was asked for. Nothing was sent. */
export class UnsupportedByAgentError extends Error {
  override readonly name = "UnsupportedByAgentError";

  constructor(what: string, needed: string, spoken: string) {
    super(`${what} needs protocol ${needed}, the agent speaks ${spoken}`);
  }
}
