// What one session has to send. Three lanes: small answers, file answers, data; an earlier lane goes ahead of a later one, each keeps its own
// order. What one turn of the event loop produces leaves in one write, and no more is handed to the socket than it takes at once, so that an
// answer never waits behind data that is merely queued.

import type { Socket } from "node:net";
import { DaemonMessage, type Writer } from "@understudy/protocol";
import type { ReusedBuffer } from "../link/sessionLink.ts";
import type { MemoryShare } from "../task/memoryBudget.ts";
import type { TurnEnd } from "../task/turnEnd.ts";

/** Most bytes of one write to the socket; a larger message still goes in one. */
const WRITE_MAX_BYTES = 128 * 1024;
/** A source that is resumed is expected to bring about this much. */
const SOURCE_BYTES = 64 * 1024;

type LaneName = "answers" | "files" | "data";

class Lane {
  readonly segments: Uint8Array[] = [];
  bytes = 0;

  /** Adds a segment, merged with the last one where they lie side by side in the writer's scratch memory. */
  push(segment: Uint8Array): void {
    const last = this.segments.at(-1);
    this.bytes += segment.length;
    if (last !== undefined && last.buffer === segment.buffer && last.byteOffset + last.byteLength === segment.byteOffset) {
      this.segments[this.segments.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + segment.byteLength);
    } else {
      this.segments.push(segment);
    }
  }
}

export interface OutboxOptions {
  readonly socket: Socket;
  /** Shared by all sessions: encoding never waits. */
  readonly writer: Writer;
  readonly share: MemoryShare;
  readonly turnEnd: TurnEnd;
  /** Called when less is queued than before. */
  readonly onRelief: () => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #lanes: Readonly<Record<LaneName, Lane>> = { answers: new Lane(), files: new Lane(), data: new Lane() };
  readonly #waiting = new Set<() => void>();
  /** Bytes the socket has not taken yet; null when it would take more at once. */
  #inFlightBytes = 0;
  #isFlushDue = false;
  #isClosed = false;
  /** When the socket last took all it was given; while something is in flight, how long it has not. */
  #lastProgressMs = 0;
  #onEmpty: (() => void) | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Bytes queued here and in the socket. */
  get queuedBytes(): number {
    const { answers, files, data } = this.#lanes;
    return answers.bytes + files.bytes + data.bytes + this.#inFlightBytes;
  }

  /** Bytes of answers that wait. A client that keeps asking and does not read is not read from any more. */
  get answerBytes(): number {
    return this.#lanes.answers.bytes + this.#lanes.files.bytes;
  }

  /** For how long the client has not taken what was sent, in ms; 0 when nothing is under way. */
  stalledMs(nowMs: number): number {
    return this.#inFlightBytes === 0 ? 0 : nowMs - this.#lastProgressMs;
  }

  send(message: DaemonMessage, laneName: LaneName, buffer?: ReusedBuffer): void {
    if (this.#isClosed) return;
    const { writer } = this.#options;
    try {
      DaemonMessage.write(writer, message);
    } catch (error) {
      writer.discard();
      throw error;
    }
    const lane = this.#lanes[laneName];
    const isReferenced = buffer !== undefined && writer.isReferencing;
    for (const segment of writer.take()) lane.push(segment);
    this.#count();
    if (isReferenced) {
      this.#flush();
      if (this.queuedBytes > 0) buffer.keep();
    } else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#options.turnEnd(this.#flushDue);
    }
  }

  /** As `SessionLink.whenRoom`. */
  whenRoom(resume: () => void): () => void {
    this.#waiting.add(resume);
    return () => this.#waiting.delete(resume);
  }

  /** Resolves when everything queued has left, or the outbox is closed. */
  emptied(): Promise<void> {
    if (this.queuedBytes === 0 || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Drops what is queued and everything that comes. */
  close(): void {
    this.#isClosed = true;
    for (const lane of Object.values(this.#lanes)) {
      lane.segments.length = 0;
      lane.bytes = 0;
    }
    this.#inFlightBytes = 0;
    this.#waiting.clear();
    this.#count();
    this.#onEmpty?.();
  }

  readonly #flushDue = (): void => {
    this.#isFlushDue = false;
    this.#flush();
  };

  #flush(): void {
    const { socket } = this.#options;
    const before = this.queuedBytes;
    while (this.#inFlightBytes === 0 && !this.#isClosed && socket.writable) {
      const segments = this.#takeSegments();
      if (segments.length === 0) break;
      let bytes = 0;
      socket.cork();
      for (const [i, segment] of segments.entries()) {
        bytes += segment.length;
        socket.write(segment, i === segments.length - 1 ? this.#onWritten : undefined);
      }
      socket.uncork();
      this.#lastProgressMs = performance.now();
      if (socket.writableLength > 0) this.#inFlightBytes = bytes;
    }
    if (this.queuedBytes < before) this.#relieve();
  }

  /** The next write: whole lanes in their order, up to the limit. */
  #takeSegments(): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (const lane of Object.values(this.#lanes)) {
      let count = 0;
      while (count < lane.segments.length && (bytes === 0 || bytes + lane.segments[count]!.length <= WRITE_MAX_BYTES)) {
        bytes += lane.segments[count]!.length;
        lane.bytes -= lane.segments[count]!.length;
        count += 1;
      }
      if (count === lane.segments.length) {
        taken.push(...lane.segments);
        lane.segments.length = 0;
      } else {
        taken.push(...lane.segments.splice(0, count));
        break;
      }
    }
    return taken;
  }

  readonly #onWritten = (): void => {
    if (this.#inFlightBytes === 0 || this.#options.socket.writableLength > 0) return;
    this.#inFlightBytes = 0;
    this.#lastProgressMs = performance.now();
    this.#relieve();
    this.#flush();
  };

  #relieve(): void {
    this.#count();
    if (this.queuedBytes === 0) this.#onEmpty?.();
    // One source after another: all at once would only fill the queue again in front of everything else.
    for (let room = this.#options.share.roomBytes; room > 0 && this.#waiting.size > 0; room -= SOURCE_BYTES) {
      const resume = this.#waiting.values().next().value!;
      this.#waiting.delete(resume);
      resume();
    }
    this.#options.onRelief();
  }

  #count(): void {
    this.#options.share.hold(this.queuedBytes);
  }
}
