// Finds out what is spoken on a connection by reading its first bytes. They are handed on, none is lost. A peer that waits for the target to speak first does not speak
// HTTP: where the target may be asked, what it says first is the verdict, and else silence is.

import type { ByteSocket, SocketReader } from "../socket/byteSocket.ts";
import { judge, type Verdict } from "./http/detect.ts";
import type { TargetConnection } from "./target.ts";

export type Spoken = Exclude<Verdict, "undecided">;

/** What a peer sent before there was a verdict. */
export interface FirstBytes {
  /** Good for the call that hands them over. */
  readonly bytes: Uint8Array;
  /** The peer ended its direction already. */
  readonly hasEnded: boolean;
}

export interface DetectionLimits {
  /** Longest wait for more of what could be HTTP, in ms. */
  readonly timeoutMs: number;
  /** Time for a verdict in all, however often more comes, in ms. */
  readonly totalMs: number;
  /** More undecided bytes than this are no HTTP. */
  readonly maxBytes: number;
}

export interface Found {
  readonly spoken: Spoken;
  readonly first: FirstBytes;
  /** A connection to the target for this peer, when one was made; its new owner sets the reader. */
  readonly target: TargetConnection | null;
}

export interface DetectionOptions extends DetectionLimits {
  /** How to ask the target, when a peer has said nothing for `afterMs`. Null: it is not asked. */
  readonly askTarget: { readonly afterMs: number; readonly connect: (reader: SocketReader) => TargetConnection } | null;
  /** Takes the connection: sets the socket's reader. Returns whether reading may go on. */
  readonly take: (found: Found) => boolean;
}

/** Reads until there is a verdict. A connection that breaks before is not told of. */
export class Detection {
  readonly #socket: ByteSocket;
  readonly #options: DetectionOptions;
  readonly #deadlineMs: number;
  #silence: NodeJS.Timeout;
  /** The time is up; what has arrived is read first. */
  #lastLook: NodeJS.Immediate | undefined;
  readonly #asking: NodeJS.Timeout | null;
  #target: TargetConnection | null = null;
  #collected: Uint8Array = new Uint8Array(0);

  constructor(socket: ByteSocket, options: DetectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#deadlineMs = performance.now() + options.totalMs;
    this.#silence = this.#waitForMore();
    const { askTarget } = options;
    this.#asking = askTarget === null ? null : setTimeout(() => this.#ask(askTarget.connect), askTarget.afterMs);
    socket.reader = {
      bytes: (view) => this.#bytes(view),
      ended: () => this.#decideLater("other", true),
      closed: (error) => this.#peerClosed(error),
    };
  }

  #waitForMore(): NodeJS.Timeout {
    const leftMs = Math.max(0, this.#deadlineMs - performance.now());
    const timeUp = (): void => void (this.#lastLook = setImmediate(() => this.#decideLater("other", false)));
    return setTimeout(timeUp, Math.min(this.#options.timeoutMs, leftMs));
  }

  #bytes(view: Uint8Array): boolean {
    const bytes = this.#collected.length === 0 ? view : Buffer.concat([this.#collected, view]);
    const verdict = judge(bytes, bytes.length);
    if (verdict === "undecided" && bytes.length < this.#options.maxBytes && performance.now() < this.#deadlineMs) {
      this.#collected = bytes === view ? Uint8Array.from(view) : bytes;
      this.#stopWaiting();
      this.#silence = this.#waitForMore();
      return true;
    }
    return this.#decide(verdict === "undecided" ? "other" : verdict, { bytes, hasEnded: false });
  }

  /** Outside of a read. */
  #decideLater(spoken: Spoken, hasEnded: boolean): void {
    if (!this.#decide(spoken, { bytes: this.#collected, hasEnded })) this.#socket.pause();
  }

  #decide(spoken: Spoken, first: FirstBytes): boolean {
    this.#stopTimers();
    const target = this.#target;
    this.#target = null;
    return this.#options.take({ spoken, first, target });
  }

  #ask(connect: (reader: SocketReader) => TargetConnection): void {
    const target = connect({
      bytes: (view) => {
        if (isHttp2Preface(view)) return this.#forgetTarget(target);
        return this.#targetSpoke(target).bytes(view);
      },
      ended: () => this.#targetSpoke(target).ended?.(),
      closed: (error) => {
        // One that refuses has said nothing of what is spoken.
        if (target.isConnected) this.#targetSpoke(target).closed?.(error);
        else this.#target = null;
      },
    });
    this.#target = target;
  }

  /** It speaks first although its peer is to make requests: the peer is waited for as if nobody had been asked. */
  #forgetTarget({ socket }: TargetConnection): boolean {
    this.#target = null;
    socket.reader = NOBODY;
    socket.close();
    return true;
  }

  /** The target did something before the peer did. Returns who is told of it. */
  #targetSpoke({ socket }: TargetConnection): SocketReader {
    const before = socket.reader;
    this.#decideLater("other", false);
    return socket.reader === before ? NOBODY : socket.reader;
  }

  #peerClosed(error: Error | null): void {
    this.#stopTimers();
    if (error === null) this.#target?.socket.close();
    else this.#target?.socket.reset();
  }

  #stopWaiting(): void {
    clearTimeout(this.#silence);
    clearImmediate(this.#lastLook);
  }

  #stopTimers(): void {
    this.#stopWaiting();
    if (this.#asking !== null) clearTimeout(this.#asking);
  }
}

const SETTINGS_FRAME = 4;

/** Whether bytes begin as every server of HTTP/2 does (RFC 9113, 3.4): with the header of a SETTINGS frame that acknowledges nothing. */
function isHttp2Preface(bytes: Uint8Array): boolean {
  const [lengthHigh, , , type, flags, ...stream] = bytes.subarray(0, 9);
  return lengthHigh === 0 && type === SETTINGS_FRAME && flags === 0 && stream.length === 4 && stream.every((byte) => byte === 0);
}

const NOBODY: SocketReader = { bytes: () => true };
