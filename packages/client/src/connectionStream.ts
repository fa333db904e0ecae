// One byte stream that travels inside a session: an outgoing connection, or a stolen or mirrored one. Both directions end on their own.

import { Duplex, type DuplexOptions, type Writable } from "node:stream";
import { Delivery } from "./delivery.ts";
import { lentBytes } from "./ownedBytes.ts";
import { type ReceiveBudget, ReceiveQueue } from "./receiveBudget.ts";
import type { ViewSocket } from "./viewSocket.ts";

/** Largest payload of one message: what else the session sends gets its turn in between. */
const MESSAGE_MAX_BYTES = 64 * 1024;
/** Of each direction, before the stream says stop. */
const BUFFERED_MAX_BYTES = 256 * 1024;
const NO_BYTES = new Uint8Array(0);

/** The messages of one connection towards the agent. */
export interface ConnectionWire {
  /** Empty bytes end this direction. `onWritten` gets null when the bytes have left. */
  send(bytes: Uint8Array, onWritten: (error: Error | null) => void): void;
  /** The stream is gone; `isOver` when both directions ended and the agent needs no word of it. */
  forget(isOver: boolean): void;
}

/** What can happen to a connection at the agent's side. */
export interface ConnectionEvents {
  received(bytes: Uint8Array): void;
  /** The peer ended its direction. */
  receivedEnd(): void;
  /** The agent has closed the connection and knows it no longer. */
  closedByAgent(): void;
  sessionEnded(reason: Error): void;
}

/**
 * The stream's `end()` half-closes: the peer may go on sending. Written bytes must not change until the write's callback, which comes
 * when they have left for the agent. What is not read is kept within the session's receive budget.
 * A connection that breaks emits `error` with the code `ECONNRESET`; without a listener that is no uncaught exception.
 */
export class ConnectionStream extends Duplex implements ConnectionEvents {
  readonly #wire: ConnectionWire;
  readonly #budget: ReceiveBudget;
  readonly #queue: ReceiveQueue;
  #delivery: Delivery | null = null;
  #isClosedByAgent = false;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(wire: ConnectionWire, budget: ReceiveBudget, { writable = true }: { writable?: boolean } = {}) {
    const options: DuplexOptions & { readonly writable: boolean } = { allowHalfOpen: true, writable, highWaterMark: BUFFERED_MAX_BYTES };
    super(options);
    this.#wire = wire;
    this.#budget = budget;
    this.#queue = new ReceiveQueue(budget, { push: (piece) => this.#passOn(piece) });
    // The session may end before the one who asked for the connection could listen.
    this.on("error", () => undefined);
  }

  /** Bytes received so far, those included that nobody has read yet. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes handed to the session so far. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /**
   * Writes what is received to `receiver` and ends it at the end, as `pipe` does but without a copy and in larger writes; this stream's `data` events
   * do not come then, its `end` does. The receiver's failure is the caller's to see. Once, by who would read this stream otherwise.
   */
  deliverTo(receiver: Writable): void {
    this.once("end", () => receiver.end());
    if (this.readableLength > 0) receiver.write(this.read());
    this.#delivery = new Delivery(receiver, this.#budget);
    this.#queue.want();
    this.resume();
  }

  /**
   * Sends what arrives at `source` and ends this direction at its end, as `pipe` does but without memory for each read. The source's failure is the
   * caller's to see. Once.
   */
  deliverFrom(source: ViewSocket): void {
    const send = (view: Uint8Array): void => {
      const { bytes, giveBack } = lentBytes(view, source.memory);
      if (!this.write(bytes, giveBack)) source.pause();
    };
    source.takeBytes(send);
    source.on("data", send);
    source.once("end", () => this.end());
    this.on("drain", () => source.resume());
    source.resume();
  }

  received(bytes: Uint8Array): void {
    this.#bytesRead += bytes.length;
    if (this.#delivery !== null && this.#queue.isOpen) this.#delivery.write(bytes);
    else this.#queue.add(bytes);
  }

  receivedEnd(): void {
    this.#queue.finish();
  }

  closedByAgent(): void {
    this.#isClosedByAgent = true;
    if (this.#queue.hasEnded) return;
    // After our own end an agent may tell the peer's end by the close alone.
    if (this.writableFinished) this.#queue.finish();
    else this.destroy(connectionError("ECONNRESET", "the agent closed the connection before its end"));
  }

  sessionEnded(reason: Error): void {
    this.#isClosedByAgent = true;
    const isComplete = this.#queue.hasEnded && this.writableFinished;
    if (!isComplete) this.destroy(reason);
  }

  override _read(): void {
    if (this.#delivery === null) this.#queue.want();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error: Error | null) => void): void {
    this._writev([{ chunk }], done);
  }

  override _writev(items: readonly { readonly chunk: Uint8Array }[], done: (error: Error | null) => void): void {
    // An empty payload would end the direction.
    const pieces = items.flatMap(({ chunk }) => piecesOf(chunk));
    const last = pieces.pop();
    if (last === undefined) return done(null);
    if (this.#isClosedByAgent) return done(connectionError("EPIPE", "the agent has closed the connection"));
    for (const { chunk } of items) this.#bytesWritten += chunk.length;
    for (const piece of pieces) this.#wire.send(piece, () => undefined);
    this.#wire.send(last, done);
  }

  override _final(done: (error: Error | null) => void): void {
    if (this.#isClosedByAgent) done(null);
    else this.#wire.send(NO_BYTES, done);
  }

  /** Pieces that waited before there was a delivery go into it, as many as there are. */
  #passOn(piece: Uint8Array | null): boolean {
    if (this.#delivery === null || piece === null) return this.push(piece);
    this.#delivery.write(piece);
    return true;
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const hasEnded = this.readableEnded && (this.writableFinished || this.#isClosedByAgent);
    this.#queue.discard();
    this.#wire.forget(hasEnded || this.#isClosedByAgent);
    done(error);
  }
}

function piecesOf(chunk: Uint8Array): Uint8Array[] {
  if (chunk.length <= MESSAGE_MAX_BYTES) return chunk.length === 0 ? [] : [chunk];
  const count = Math.ceil(chunk.length / MESSAGE_MAX_BYTES);
  return Array.from({ length: count }, (_, i) => chunk.subarray(i * MESSAGE_MAX_BYTES, (i + 1) * MESSAGE_MAX_BYTES));
}

function connectionError(code: "ECONNRESET" | "EPIPE", message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
