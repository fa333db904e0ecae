// The connection to the target that belongs to one peer's connection: opened for the first request that is passed on. Requests wait until the target has said that it speaks HTTP/2, and while it
// has as many under way as it wants.

import { connectTarget, dropTarget, type TargetConnection, type TargetOptions } from "../target.ts";
import type { HeldMemory } from "../http/heldBytes.ts";
import type { Arrival } from "../arrival.ts";
import { Endpoint } from "./endpoint.ts";
import { type ConnectionError, ErrorCode } from "./errors.ts";
import type { Field } from "./fields.ts";
import { SettingId } from "./settings.ts";
import type { Stream, StreamReader } from "./stream.ts";

/** Time for a target that has accepted to speak HTTP/2, in ms. */
const SETTINGS_TIMEOUT_MS = 10_000;
/** Largest head of a response, by the measure of RFC 9113 §6.5.2, where the peer did not say how much it takes. */
const MAX_HEADER_LIST_BYTES = 256 * 1024;

/** A request for the target. */
export interface WaitingRequest {
  readonly fields: readonly Field[];
  /** Whether its head is all of it, as far as is known when it is sent. */
  readonly isEnd: () => boolean;
  readonly reader: StreamReader;
  /** It was sent. */
  opened(stream: Stream): void;
  /** It was not and will not be sent. */
  failed(failure: TargetFailure): void;
}

/** `isRefused`: the target had it announced that it takes no more; the peer can safely ask again. */
export interface TargetFailure {
  readonly message: string;
  readonly isRefused: boolean;
}

export interface TargetLinkOptions {
  readonly arrival: Arrival;
  readonly target: TargetOptions;
  readonly memory: HeldMemory;
  /** What the peer takes; null when it did not say. */
  readonly maxHeaderListBytes: number | null;
  /** Called when what the target sent was dealt with. False while nothing at all can be sent to the peer: the target is not read then, until `resume`. */
  readonly onRead: () => boolean;
  readonly onSettings: () => void;
  readonly onGoingAway: (lastStreamId: number, code: number, debugData: Uint8Array) => void;
  /** The connection is gone; its streams have been told. `wasUsed`: it had been an HTTP/2 connection. */
  readonly onClosed: (error: Error | null, wasUsed: boolean) => void;
}

export class TargetLink {
  readonly #options: TargetLinkOptions;
  readonly #connection: TargetConnection;
  readonly #endpoint: Endpoint;
  readonly #waiting = new Set<WaitingRequest>();
  readonly #timer: NodeJS.Timeout;
  #isGoingAway = false;
  #isOver = false;
  /** Why the connection is of no use, where the target broke the protocol. */
  #fault: ConnectionError | null = null;

  constructor(options: TargetLinkOptions) {
    this.#options = options;
    const { arrival, target, memory, maxHeaderListBytes } = options;
    this.#connection = connectTarget(arrival, target, { bytes: () => false });
    const { socket } = this.#connection;
    const listLimit = maxHeaderListBytes ?? MAX_HEADER_LIST_BYTES;
    this.#endpoint = new Endpoint(
      {
        role: "client",
        socket,
        buffers: target.buffers,
        settings: [
          [SettingId.enablePush, 0],
          ...(maxHeaderListBytes === null ? [] : [[SettingId.maxHeaderListSize, maxHeaderListBytes] as const]),
        ],
        maxHeaderListBytes: Math.min(listLimit, MAX_HEADER_LIST_BYTES),
        maxStreams: 0,
        memory,
      },
      {
        request: () => undefined,
        settings: () => this.#settings(),
        goingAway: (lastStreamId, code, debugData) => this.#goingAway(lastStreamId, code, debugData),
        pong: () => undefined,
        streamOver: () => this.#sendWaiting(),
        failed: (error) => {
          this.#fault = error;
          socket.close();
        },
      },
    );
    socket.reader = {
      bytes: (view) => {
        this.#endpoint.feed(view);
        return options.onRead();
      },
      ended: () => socket.close(),
      drained: () => this.#endpoint.drained(),
      closed: (error) => this.#closed(error),
    };
    this.#timer = setTimeout(() => socket.socket.destroy(new Error("the target does not speak HTTP/2")), SETTINGS_TIMEOUT_MS);
  }

  get address(): string {
    return this.#connection.address;
  }

  get isConnected(): boolean {
    return this.#connection.isConnected;
  }

  /** Takes CONNECT with a `:protocol`. */
  get hasConnectProtocol(): boolean {
    return this.#endpoint.remote.hasConnectProtocol;
  }

  /** What the peer sent was dealt with. */
  flushLarge(): void {
    this.#endpoint.output.flushLarge();
  }

  /** The peer takes something again. */
  resume(): void {
    this.#connection.socket.resume();
  }

  /** Sends a request as soon as the target takes it. Returns how to withdraw it before that. */
  request(request: WaitingRequest): () => void {
    this.#waiting.add(request);
    this.#sendWaiting();
    return () => this.#waiting.delete(request);
  }

  /** Ends the connection, its streams with it. `isReset`: so that the target sees it as a reset. Nothing is told of it. */
  close(isReset: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#endpoint.output.flush();
    this.#endpoint.abandon(ErrorCode.cancel, "the peer has gone");
    dropTarget(this.#connection);
    if (isReset) this.#connection.socket.reset();
  }

  #settings(): void {
    clearTimeout(this.#timer);
    this.#options.onSettings();
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    const endpoint = this.#endpoint;
    if (!endpoint.hasSettings || endpoint.isOver) return;
    for (const request of this.#waiting) {
      if (!this.#isGoingAway && endpoint.hasIds && endpoint.streamCount >= endpoint.remote.maxConcurrentStreams) return;
      this.#waiting.delete(request);
      if (this.#isGoingAway || !endpoint.hasIds)
        request.failed({ message: "the target takes no more requests on this connection", isRefused: true });
      else request.opened(endpoint.open(request.fields, request.isEnd(), request.reader));
    }
  }

  #goingAway(lastStreamId: number, code: number, debugData: Uint8Array): void {
    // A target that only announces its end takes what is still on its way.
    this.#isGoingAway ||= !this.#endpoint.mayOpenUpTo(lastStreamId);
    this.#options.onGoingAway(lastStreamId, code, debugData);
    this.#sendWaiting();
  }

  #closed(error: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const wasUsed = this.#endpoint.hasSettings;
    const isOther = !wasUsed && this.#fault !== null;
    const cause = isOther
      ? "the target does not speak HTTP/2"
      : (error?.message ?? this.#fault?.message ?? "the target closed the connection");
    const message = `${this.address}: ${cause}`;
    this.#endpoint.abandon(ErrorCode.internalError, message);
    for (const request of this.#waiting) request.failed({ message, isRefused: false });
    this.#waiting.clear();
    this.#options.onClosed(error ?? this.#fault, wasUsed);
  }
}
