// The copy of one connection or request that a listening client gets: an id, what the peer sends, and exactly one end.

import type { DaemonTcp, InternalHttpBodyFrame } from "@understudy/protocol";
import { payloadBytes } from "../http/bodyFrames.ts";
import type { ReusedBuffer, SessionLink } from "../../link/sessionLink.ts";
import type { ByteSocket, SocketObserver } from "../../socket/byteSocket.ts";
import { bodyMessage } from "../steal/requestForms.ts";
import type { MirrorLosses } from "./mirrorLosses.ts";
import type { MirrorPatience } from "./mirrorPatience.ts";

export interface MirroredOptions {
  readonly link: SessionLink;
  readonly losses: MirrorLosses;
  readonly patience: MirrorPatience;
  readonly onGone: () => void;
}

class Mirrored {
  readonly id: number;
  protected readonly options: MirroredOptions;
  #isOver = false;

  constructor(id: number, options: MirroredOptions) {
    this.id = id;
    this.options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The peer's connection, or the agent's to the target, broke. */
  failed(error: string): void {
    if (this.#isOver) return;
    this.options.link.tell("warn", `Mirrored connection ${this.id} failed: ${error}`);
    this.close();
  }

  /** As `failed`, or as `close` where nothing broke. */
  protected over(error: Error | null): void {
    if (error === null) this.close();
    else this.failed(error.message);
  }

  /** Nothing more will come. */
  close(): void {
    if (this.#isOver) return;
    this.send({ kind: "close", value: { connectionId: this.id } });
    this.abandon();
  }

  /** The client wants no more of it. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.options.onGone();
  }

  /** Sends a piece of the peer's bytes, which lie in `socket`'s buffer. Without room for them the copy ends. */
  protected sendBytes(bytes: Uint8Array, socket: ByteSocket): void {
    if (!this.mayTake(bytes.length)) return;
    this.send({ kind: "data", value: { connectionId: this.id, bytes } }, socket);
    this.options.patience.afterCopy(socket);
  }

  /** The peer ended its direction. */
  protected sendEnd(): void {
    if (!this.#isOver) this.send({ kind: "data", value: { connectionId: this.id, bytes: new Uint8Array(0) } });
  }

  /** Whether `bytes` may be sent; ends the copy when they may not. */
  protected mayTake(bytes: number): boolean {
    if (this.#isOver) return false;
    if (this.options.link.copyRoom !== "none") return true;
    this.options.losses.cut(bytes);
    this.close();
    return false;
  }

  protected send(message: DaemonTcp, buffer?: ReusedBuffer): void {
    this.options.link.copy({ kind: "tcp", value: message }, buffer);
  }
}

/** The copy of a raw connection. */
export class MirroredConnection extends Mirrored implements SocketObserver {
  readonly #socket: ByteSocket;

  constructor(id: number, socket: ByteSocket, options: MirroredOptions) {
    super(id, options);
    this.#socket = socket;
  }

  bytes(view: Uint8Array): void {
    this.sendBytes(view, this.#socket);
  }

  ended(): void {
    this.sendEnd();
  }

  /** The peer's connection is gone; with the agent's to the target, when that broke it. */
  closed(error: Error | null): void {
    this.over(error);
  }
}

/** The copy of an HTTP request. */
export class MirroredRequest extends Mirrored {
  readonly #mayUpgrade: boolean;
  #isComplete = false;
  #isUpgraded = false;

  /** `mayUpgrade`: the request asks for another protocol, so the copy ends with its exchange and not with its body. */
  constructor(id: number, mayUpgrade: boolean, options: MirroredOptions) {
    super(id, options);
    this.#mayUpgrade = mayUpgrade;
  }

  /** The frames must be the caller's to give away. */
  body(frames: readonly InternalHttpBodyFrame[]): void {
    const bytes = payloadBytes(frames);
    if (frames.length > 0 && this.mayTake(bytes)) this.send(bodyMessage(this.id, frames, false));
  }

  /** The body is complete. */
  finish(): void {
    if (!this.isOver && !this.#isComplete) this.send(bodyMessage(this.id, [], true));
    this.complete();
  }

  /** The whole request is sent. */
  complete(): void {
    this.#isComplete = true;
    if (!this.#mayUpgrade) this.close();
  }

  /** The exchange is over; an upgraded connection goes on. */
  exchangeEnded(error: string | null): void {
    if (this.#isUpgraded) return;
    if (error === null || this.#isComplete) this.close();
    else this.failed(error);
  }

  /** The request was answered by an upgrade: from here on the copy is what the peer sends on `socket`. Null when there is nothing left to copy. */
  upgraded(socket: ByteSocket): SocketObserver | null {
    if (this.isOver) return null;
    if (!this.#isComplete) this.send(bodyMessage(this.id, [], true));
    this.#isComplete = true;
    this.#isUpgraded = true;
    return {
      bytes: (view) => this.sendBytes(view, socket),
      ended: () => this.sendEnd(),
      closed: (error) => this.over(error),
    };
  }
}
