// What a domain may ask of the session it works for. Domains see this interface only; `session/` implements it.

import type { DaemonMessage, LogLevel, VersionGate } from "@understudy/protocol";

/** Received bytes that live in a reused buffer. */
export interface ReusedBuffer {
  /** Tells the owner that somebody still needs the bytes it handed out: it reads into another buffer from now on. */
  keep(): void;
  /** As `keep`, until the function returned is called, once: then the memory is read into again. Owners without it are told to keep. */
  lend?(): () => void;
}

/** "plenty": new copies may begin; "some": those that have begun may go on; "little": they had better wait; "none": nothing more. */
export type CopyRoom = "plenty" | "some" | "little" | "none";

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
  /** As `stream`, for what nobody waits for: it leaves with what is sent next, or after a moment. */
  streamLater(message: DaemonMessage): void;
  /** How many bytes of data were streamed so far: where the next message begins. */
  readonly streamPosition: number;
  /** Whether a message that began at `position` has begun to leave for the client. False for good where the session ended before. */
  hasBegunToSend(position: number): boolean;
  /** False while the session holds as much unsent data as it may: whoever produces more should pause. */
  readonly hasRoom: boolean;
  /** False while it holds so much more than that, that not even something new should begin. */
  readonly mayBegin: boolean;
  /** Calls `resume` once when there is room again; sources are served one after another. Returns how to withdraw. */
  whenRoom(resume: () => void): () => void;
  /**
   * Sends a copy of traffic that the client only listens to: behind everything else, in order with all other copies. As `stream`; look at
   * `copyRoom` before.
   */
  copy(message: DaemonMessage, buffer?: ReusedBuffer): void;
  /** What may be copied now. */
  readonly copyRoom: CopyRoom;
  /** Calls `resume` once when most of the copies have left, or none will any more. Returns how to withdraw. */
  whenCopyRoom(resume: () => void): () => void;
  /** Shows a text to the session's user, in order with data. Dropped when the client is not ready for logs. */
  tell(level: LogLevel, message: string): void;
}
