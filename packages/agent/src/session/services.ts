// What sessions share. Created once per agent and passed to each of them.

import type { FileRequest, FileResponse, LookupRecord, Writer } from "@understudy/protocol";
import type { AddressFamily, LayerTcp, LayerTcpSteal, ShareLinkRequest } from "@understudy/protocol";
import type { AnswerBuffer, AnswerBuffers } from "../files/answerBuffer.ts";
import type { ReusedBuffer, SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import type { CurrentWork } from "../task/currentWork.ts";
import type { MaybePromise } from "../task/maybePromise.ts";
import type { MemoryBudget } from "../task/memoryBudget.ts";
import type { TurnEnd } from "../task/turnEnd.ts";

/** Limits of one session. */
export interface SessionLimits {
  /** Most memory of one message while it is decoded, in bytes. */
  readonly maxMessageBytes: number;
  /** Most bytes that wait for the peers of outgoing connections. */
  readonly maxPendingBytes: number;
  /** Most outgoing connections, of TCP, UDP and seqpacket each. */
  readonly maxConnections: number;
  /** Time for an outgoing connection to be made, in ms. */
  readonly connectTimeoutMs: number;
  /** Time that the peer of an outgoing connection may take nothing of what waits for it, in ms. */
  readonly stuckPeerTimeoutMs: number;
  /** Time that a client may take nothing of what is sent to it, in ms. */
  readonly deafTimeoutMs: number;
  /** Time that a client may send nothing, in ms; 0: for ever. */
  readonly silentTimeoutMs: number;
}

/** What of the target can be out of reach for good, beside its network. */
export type TargetPart = "files" | "environment";

/** One session's files. */
export interface SessionFiles extends AsyncDisposable {
  /**
   * Undefined for requests that have no answer. A promise only where something may have to be waited for; then called again only when it has resolved.
   *
   * @param buffer what bytes read are in: release it when the answer was sent.
   */
  handle(request: FileRequest, buffer: AnswerBuffer): MaybePromise<FileResponse | undefined>;
}

export interface NameResolver {
  /** Rejects with a `RemoteError`. */
  lookup(request: { readonly node: string; readonly family: AddressFamily }, signal: AbortSignal): Promise<readonly LookupRecord[]>;
  reverse(ip: string, signal: AbortSignal): Promise<string>;
}

/** One session's part in the traffic that arrives for the target. */
export interface IncomingClient extends Disposable {
  steal(message: LayerTcpSteal, buffer: ReusedBuffer): void;
  mirror(message: LayerTcp): void;
  share(request: ShareLinkRequest): void;
  /** True while peers take less than the client sends them. */
  readonly isOverfull: boolean;
}

export interface Services {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Told which message is handled. */
  readonly work: CurrentWork;
  readonly limits: SessionLimits;
  readonly budget: MemoryBudget;
  readonly buffers: ReceiveBuffers;
  /** For the answers to reads. */
  readonly answerBuffers: AnswerBuffers;
  readonly turnEnd: TurnEnd;
  /** Shared, since encoding one message never waits. */
  readonly writer: Writer;
  /** The target's environment, as it was when the agent started. */
  readonly environment: ReadonlyMap<string, string>;
  readonly selectEnvironment: (
    all: ReadonlyMap<string, string>,
    filter: ReadonlySet<string>,
    select: ReadonlySet<string>,
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, string>>;
  readonly openFiles: (signal: AbortSignal) => SessionFiles;
  /**
   * One session's way to paths of the target, inside its root: resolves to an O_PATH descriptor, which is the caller's to close. The signal's
   * abort ends waits.
   */
  readonly openLocator: (signal: AbortSignal) => (path: string) => Promise<number>;
  readonly resolver: NameResolver;
  /** Why nothing may be done in a network, for clients: the target's cannot be entered. Null where it can, or is the agent's own. */
  readonly networkRefusal: string | null;
  /** Why something of the target cannot be had, for clients that ask for it; null where it can. */
  readonly refusals: Readonly<Record<TargetPart, string | null>>;
  /** Null without a target: there is no incoming traffic then. */
  readonly joinIncoming: ((link: SessionLink, onRelief: () => void) => IncomingClient) | null;
}
