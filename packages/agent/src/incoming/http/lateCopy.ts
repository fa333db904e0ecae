// The copy of a request for a client whose filter cannot say at once whether it wants it: because it looks at the body, or asks something outside of this thread. The request goes its
// way meanwhile; what there is of it is kept here, within limits, and the copy begins when the filter has answered.

import type { InternalHttpBodyFrame } from "@understudy/protocol";
import { payloadBytes, payloadOf } from "./bodyFrames.ts";
import type { ByteSocket, SocketObserver } from "../../socket/byteSocket.ts";
import type { LateMirrorer } from "../judge.ts";
import type { MirroredRequest } from "../mirror/mirrored.ts";
import type { RequestStart } from "../steal/requestForms.ts";
import type { FilterInput } from "./filter/filterInput.ts";
import type { HeldMemory } from "./heldBytes.ts";
import type { HttpLimits } from "./httpLimits.ts";

/** What is kept of a body while a filter thinks, in bytes. A copy that would need more is not made. */
const KEPT_MAX_BYTES = 256 * 1024;

export interface LateCopyOptions {
  readonly late: LateMirrorer;
  readonly start: RequestStart;
  readonly hasUpgrade: boolean;
  /** What the filter sees; it stays good. */
  readonly input: (body: Uint8Array | null) => FilterInput;
  readonly limits: HttpLimits;
  readonly memory: HeldMemory;
}

export class LateCopy {
  readonly #options: LateCopyOptions;
  #frames: InternalHttpBodyFrame[];
  #bytes = 0;
  #isComplete: boolean;
  /** How the exchange ended, if it did before there was a copy. */
  #end: { readonly error: string | null } | null = null;
  #state: "collecting" | "asking" | "decided" = "collecting";
  #copy: MirroredRequest | null = null;
  readonly #timer: NodeJS.Timeout;

  constructor(options: LateCopyOptions) {
    const { start, late } = options;
    this.#options = options;
    this.#frames = [...start.frames];
    this.#isComplete = start.isLast;
    this.#count(start.frames);
    this.#timer = setTimeout(() => this.#ask(null), options.limits.bodyTimeoutMs);
    if (late.verdict === null) this.#look();
    else this.#await(late.verdict);
  }

  /** As in `MirroredRequest`. */
  body(frames: readonly InternalHttpBodyFrame[]): void {
    if (this.#state === "decided") {
      this.#copy?.body(frames);
      return;
    }
    this.#frames.push(...frames);
    this.#count(frames);
    this.#look();
  }

  finish(): void {
    this.#isComplete = true;
    if (this.#state === "decided") this.#copy?.finish();
    else this.#look();
  }

  exchangeEnded(error: string | null): void {
    if (this.#state === "decided") {
      this.#copy?.exchangeEnded(error);
      return;
    }
    this.#end = { error };
    this.#ask(null);
  }

  /** An upgrade that comes before the filter's answer is not copied. */
  upgraded(socket: ByteSocket): SocketObserver | null {
    const observer = this.#copy?.upgraded(socket) ?? null;
    this.#decide(false);
    return observer;
  }

  #count(frames: readonly InternalHttpBodyFrame[]): void {
    const bytes = payloadBytes(frames);
    this.#bytes += bytes;
    this.#options.memory.change(bytes);
  }

  /** Asks as soon as the filter has all that it will see. */
  #look(): void {
    const { limits, memory } = this.#options;
    if (this.#bytes > KEPT_MAX_BYTES || !memory.hasRoom) this.#decide(false);
    else if (this.#bytes > limits.bodyMaxBytes) this.#ask(null);
    else if (this.#isComplete) this.#ask(payloadOf(this.#frames));
  }

  #ask(body: Uint8Array | null): void {
    if (this.#state !== "collecting") return;
    const { late, input } = this.#options;
    const verdict = late.filter.matches(input(body));
    if (typeof verdict === "boolean") this.#decide(verdict);
    else this.#await(verdict);
  }

  #await(verdict: Promise<boolean>): void {
    this.#state = "asking";
    clearTimeout(this.#timer);
    // Filters never reject.
    void verdict.then((isWanted) => this.#decide(isWanted));
  }

  #decide(isWanted: boolean): void {
    if (this.#state === "decided") return;
    this.#state = "decided";
    clearTimeout(this.#timer);
    const { late, start, hasUpgrade, memory } = this.#options;
    memory.change(-this.#bytes);
    const frames = this.#frames;
    this.#frames = [];
    if (!isWanted || late.subscriber.link.signal.aborted) return;
    this.#copy = late.subscriber.mirrorRequest({ ...start, frames, isLast: this.#isComplete }, hasUpgrade);
    if (this.#end !== null) this.#copy?.exchangeEnded(this.#end.error);
  }
}
