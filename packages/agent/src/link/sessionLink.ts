// What a domain may ask of the session it works for. Domains see this interface only; `session/` implements it.

import type { DaemonMessage, LogLevel, VersionGate } from "@understudy/protocol";

/** Received bytes that live in a reused buffer. */
export interface ReusedBuffer {
  /** Tells the owner that somebody still needs the bytes it handed out: it reads into another buffer from now on. */
  keep(): void;
}

export interface SessionLink {
  /** Names the session in the log. */
  readonly id: number;
  /** Aborted when the session ends, for whatever reason. */
  readonly signal: AbortSignal;
  /** Whether the client announced a version that unlocks something. Before it announced any, it counts as an old one. */
  allows(gate: VersionGate): boolean;
  /** Sends a small answer, ahead of queued data. */
  reply(message: DaemonMessage): void;
  /**
   * Sends data, in order with all other data of the session. `buffer` owns the payload's bytes: they may be referenced until it is told to
   * keep them. Never blocks and never fails; look at `hasRoom` afterwards.
   */
  stream(message: DaemonMessage, buffer?: ReusedBuffer): void;
  /** False while the session holds as much unsent data as it may: whoever produces more should pause. */
  readonly hasRoom: boolean;
  /** Calls `resume` once when there is room again; sources are served one after another. Returns how to withdraw. */
  whenRoom(resume: () => void): () => void;
  /** Shows a text to the session's user, in order with data. Dropped when the client is not ready for logs. */
  tell(level: LogLevel, message: string): void;
}
