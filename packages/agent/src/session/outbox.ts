// What one session has to send. Four lanes: small answers, file answers, data, copies of what others get; an earlier lane goes ahead of a later one, each keeps
// its own order. What one turn of the event loop produces leaves in one write, and no more is handed to the socket than it takes at once, so that an
// answer never waits behind data that is merely queued.

import { DaemonMessage, type Writer } from "@understudy/protocol";
import type { CounterFamily } from "../metrics/instruments.ts";
import type { TrafficKind } from "../metrics/metrics.ts";
import { trafficKind } from "./trafficKind.ts";
import type { ReusedBuffer } from "../link/sessionLink.ts";
import type { ByteSocket } from "../socket/byteSocket.ts";
import type { MemoryShare } from "../task/memoryBudget.ts";
import type { TurnEnd } from "../task/turnEnd.ts";

/** Most bytes of one write to the socket; a larger message still goes in one. */
const WRITE_MAX_BYTES = 128 * 1024;
/** A source that is resumed is expected to bring about this much. */
const SOURCE_BYTES = 64 * 1024;
/** How long what nobody waits for may wait for something to leave with, in ms. */
const COMPANY_MS = 2;

type LaneName = "answers" | "files" | "data" | "copies";

class Lane {
  #segments: Uint8Array[] = [];
  /** For each segment whether a message begins with it. Others belong to the message before them. */
  #beginsMessage: boolean[] = [];
  bytes = 0;
  /** Bytes of all messages that were ever taken out. */
  takenBytes = 0;

  /** Adds a message, its segments merged where they lie side by side in the writer's scratch memory. */
  push(message: readonly Uint8Array[]): void {
    for (let i = 0; i < message.length; i++) {
      const segment = message[i]!;
      const last = this.#segments.at(-1);
      // A segment that ends a message of several is not merged with the next message: only whole ones can be taken.
      const mayMerge = i > 0 || this.#beginsMessage.at(-1) === true;
      this.bytes += segment.length;
      if (last !== undefined && mayMerge && last.buffer === segment.buffer && last.byteOffset + last.byteLength === segment.byteOffset) {
        this.#segments[this.#segments.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + segment.byteLength);
      } else {
        this.#segments.push(segment);
        this.#beginsMessage.push(i === 0);
      }
    }
  }

  /**
   * Moves whole messages to `taken` as long as all there do not exceed `maxBytes`; the first one goes whatever its size. Returns how many
   * bytes there are then.
   */
  takeInto(taken: Uint8Array[], takenBytes: number, maxBytes: number): number {
    if (this.bytes === 0) return takenBytes;
    if (takenBytes + this.bytes <= maxBytes) return this.#takeAllInto(taken) + takenBytes;
    let bytes = takenBytes;
    let count = 0;
    while (count < this.#segments.length) {
      let end = count;
      let messageBytes = 0;
      do messageBytes += this.#segments[end++]!.length;
      while (this.#beginsMessage[end] === false);
      if (bytes > 0 && bytes + messageBytes > maxBytes) break;
      bytes += messageBytes;
      count = end;
    }
    taken.push(...this.#segments.splice(0, count));
    this.#beginsMessage.splice(0, count);
    this.bytes -= bytes - takenBytes;
    this.takenBytes += bytes - takenBytes;
    return bytes;
  }

  #takeAllInto(taken: Uint8Array[]): number {
    const { bytes } = this;
    for (const segment of this.#segments) taken.push(segment);
    this.takenBytes += bytes;
    this.clear();
    return bytes;
  }

  clear(): void {
    // Setting the length of arrays takes longer than making new ones.
    this.#segments = [];
    this.#beginsMessage = [];
    this.bytes = 0;
  }
}

export interface OutboxOptions {
  /** Whose reader calls `drained`. */
  readonly socket: ByteSocket;
  /** Shared by all sessions: encoding never waits. */
  readonly writer: Writer;
  readonly share: MemoryShare;
  /** What copies hold, which never keeps anything else from being sent. */
  readonly copyShare: MemoryShare;
  /** Whether those that wait for room for copies may go on. */
  readonly haveCopiesDrained: () => boolean;
  readonly turnEnd: TurnEnd;
  /** Bytes of all sessions' messages. */
  readonly sentBytes: CounterFamily<TrafficKind>;
  /** Called when less is queued than before. */
  readonly onRelief: () => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #lanes: Readonly<Record<LaneName, Lane>> = { answers: new Lane(), files: new Lane(), data: new Lane(), copies: new Lane() };
  readonly #inOrder: readonly Lane[] = Object.values(this.#lanes);
  readonly #waiting = new Set<() => void>();
  readonly #waitingForCopies = new Set<() => void>();
  /** Bytes the socket has not taken yet; 0 when it would take more at once. */
  #inFlightBytes = 0;
  /** How many of them are copies. */
  #inFlightCopyBytes = 0;
  /** Buffers that hold what waits, with the lane and where in it that ends. */
  #borrowed: { readonly lane: Lane; readonly end: number; readonly giveBack: () => void }[] = [];
  #isFlushDue = false;
  /** Set while something may wait for company. */
  #company: NodeJS.Timeout | undefined;
  #hasSentLast = false;
  #isClosed = false;
  #isResumeDue = false;
  /** When the socket last took all it was given; while something is in flight, how long it has not. */
  #lastProgressMs = 0;
  #onEmpty: (() => void) | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Bytes queued here and in the socket. */
  get queuedBytes(): number {
    return this.#promisedBytes + this.#copyBytes;
  }

  get #promisedBytes(): number {
    const { answers, files, data } = this.#lanes;
    return answers.bytes + files.bytes + data.bytes + this.#inFlightBytes - this.#inFlightCopyBytes;
  }

  get #copyBytes(): number {
    return this.#lanes.copies.bytes + this.#inFlightCopyBytes;
  }

  /** As `SessionLink.streamPosition`. */
  get dataPosition(): number {
    const { data } = this.#lanes;
    return data.takenBytes + data.bytes;
  }

  /** As `SessionLink.hasBegunToSend`. */
  hasBegunToSend(dataPosition: number): boolean {
    return this.#lanes.data.takenBytes > dataPosition;
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
    if (this.#isClosed || this.#hasSentLast) return;
    const lane = this.#lanes[laneName];
    const isReferencing = this.#queue(message, lane);
    if (buffer !== undefined && isReferencing) {
      const end = lane.takenBytes + lane.bytes;
      this.#flush();
      if (this.queuedBytes > 0) this.#borrow(buffer, lane, end);
    } else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#options.turnEnd(this.#flushDue);
    }
  }

  /** As `send`, for what nobody waits for: it leaves with what is sent next, or after a moment. */
  sendLater(message: DaemonMessage, laneName: LaneName): void {
    if (this.#isClosed || this.#hasSentLast) return;
    this.#queue(message, this.#lanes[laneName]);
    this.#company ??= setTimeout(() => {
      this.#company = undefined;
      this.#flush();
    }, COMPANY_MS);
  }

  /** Sends a message behind all data, and drops everything that comes after it. */
  sendLast(message: DaemonMessage): void {
    this.send(message, "data");
    this.#hasSentLast = true;
    // They would come behind it.
    this.#lanes.copies.clear();
    this.#count();
  }

  /** As `SessionLink.whenRoom`. */
  whenRoom(resume: () => void): () => void {
    this.#waiting.add(resume);
    return () => this.#waiting.delete(resume);
  }

  /** As `SessionLink.whenCopyRoom`. */
  whenCopyRoom(resume: () => void): () => void {
    this.#waitingForCopies.add(resume);
    return () => this.#waitingForCopies.delete(resume);
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
    clearTimeout(this.#company);
    for (const lane of this.#inOrder) lane.clear();
    // Not given back: the socket may still be sending them.
    this.#borrowed = [];
    this.#inFlightBytes = 0;
    this.#inFlightCopyBytes = 0;
    this.#waiting.clear();
    for (const resume of this.#waitingForCopies) resume();
    this.#waitingForCopies.clear();
    this.#count();
    this.#onEmpty?.();
  }

  /** Returns whether the message refers to memory that is not the writer's. */
  #queue(message: DaemonMessage, lane: Lane): boolean {
    const { writer, sentBytes } = this.#options;
    try {
      DaemonMessage.write(writer, message);
    } catch (error) {
      writer.discard();
      throw error;
    }
    const { isReferencing } = writer;
    const before = lane.bytes;
    lane.push(writer.take());
    sentBytes.with(trafficKind(message)).add(lane.bytes - before);
    this.#count();
    return isReferencing;
  }

  readonly #flushDue = (): void => {
    this.#isFlushDue = false;
    this.#flush();
  };

  #flush(): void {
    const { socket } = this.#options;
    const before = this.queuedBytes;
    while (this.#inFlightBytes === 0 && !this.#isClosed && socket.isWritable) {
      const copyBytes = this.#lanes.copies.bytes;
      const segments = this.#takeSegments();
      if (segments.length === 0) break;
      const isTaken = socket.writeAll(segments);
      this.#lastProgressMs = performance.now();
      if (isTaken) continue;
      for (const { length } of segments) this.#inFlightBytes += length;
      this.#inFlightCopyBytes = copyBytes - this.#lanes.copies.bytes;
    }
    if (this.queuedBytes < before) this.#relieve();
  }

  /** The next write: lanes in their order, up to the limit. No message is cut in two: another lane's could come in between. */
  #takeSegments(): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (const lane of this.#inOrder) {
      bytes = lane.takeInto(taken, bytes, WRITE_MAX_BYTES);
      if (lane.bytes > 0) break;
    }
    return taken;
  }

  /** The socket has taken all that it was given. */
  drained(): void {
    if (this.#inFlightBytes === 0) return;
    this.#inFlightBytes = 0;
    this.#inFlightCopyBytes = 0;
    this.#lastProgressMs = performance.now();
    this.#relieve();
    this.#flush();
  }

  #borrow(buffer: ReusedBuffer, lane: Lane, end: number): void {
    if (buffer.lend === undefined) buffer.keep();
    else this.#borrowed.push({ lane, end, giveBack: buffer.lend() });
  }

  /** What has left is needed no more. Nothing may be in flight: the socket still points to that. */
  #giveBack(): void {
    const left = this.#borrowed.filter(({ lane, end }) => lane.takenBytes >= end);
    if (left.length === 0) return;
    this.#borrowed = this.#borrowed.filter(({ lane, end }) => lane.takenBytes < end);
    for (const { giveBack } of left) giveBack();
  }

  #relieve(): void {
    if (this.#inFlightBytes === 0 && this.#borrowed.length > 0) this.#giveBack();
    this.#count();
    if (this.queuedBytes === 0) this.#onEmpty?.();
    this.#resumeWaiting();
    if (this.#waitingForCopies.size > 0 && this.#options.haveCopiesDrained()) {
      const waiting = [...this.#waitingForCopies];
      this.#waitingForCopies.clear();
      for (const resume of waiting) resume();
    }
    this.#options.onRelief();
  }

  /** One source after another: all at once would only fill the queue again in front of everything else. */
  #resumeWaiting(): void {
    const { share, turnEnd } = this.#options;
    for (let room = share.roomBytes; room > 0 && this.#waiting.size > 0; room -= SOURCE_BYTES) {
      const resume = this.#waiting.values().next().value!;
      this.#waiting.delete(resume);
      resume();
    }
    if (this.#waiting.size === 0 || this.#isResumeDue || !share.hasRoom) return;
    // Those resumed may have nothing to send; then nothing else would tell the others that there is room.
    this.#isResumeDue = true;
    turnEnd(() => {
      this.#isResumeDue = false;
      this.#resumeWaiting();
    });
  }

  #count(): void {
    this.#options.share.hold(this.#promisedBytes);
    this.#options.copyShare.hold(this.#copyBytes);
  }
}
