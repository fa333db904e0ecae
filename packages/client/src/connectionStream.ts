// One byte stream that travels inside a session: an outgoing connection, or a stolen or mirrored one. Both directions end on their own.

import { Duplex, type DuplexOptions } from "node:stream";
import { type ReceiveBudget, ReceiveQueue } from "./receiveBudget.ts";

/** Largest payload of one message: what else the session sends gets its turn in between. */
const MESSAGE_MAX_BYTES = 64 * 1024;
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
  readonly #queue: ReceiveQueue;
  #isClosedByAgent = false;

  constructor(wire: ConnectionWire, budget: ReceiveBudget, { writable = true }: { writable?: boolean } = {}) {
    const options: DuplexOptions & { readonly writable: boolean } = { allowHalfOpen: true, writable };
    super(options);
    this.#wire = wire;
    this.#queue = new ReceiveQueue(budget, this);
    // The session may end before the one who asked for the connection could listen.
    this.on("error", () => undefined);
  }

  received(bytes: Uint8Array): void {
    this.#queue.add(bytes);
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
    this.#queue.want();
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
    for (const piece of pieces) this.#wire.send(piece, () => undefined);
    this.#wire.send(last, done);
  }

  override _final(done: (error: Error | null) => void): void {
    if (this.#isClosedByAgent) done(null);
    else this.#wire.send(NO_BYTES, done);
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
