// Writes lines to a descriptor without ever holding up the event loop or growing without bound. Node's own
// `process.stdout` does neither for certain: its writes to files and terminals are synchronous, and its queue for a pipe
// that nobody reads has no end. Nothing else in the agent may write to the same descriptor.
//
// A pipe or socket is written through libuv, non-blocking. Anything else (file, terminal, /dev/null) goes through the
// thread pool; but whoever uses that pool first decides in which network namespace its threads live, so until
// `usePool()` is called such writes are synchronous.

import { fstatSync, write as writeAsync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";

/** What a line is worth when room is short. `detail`: debug and trace. `required`: the line clients wait for. */
export type Importance = "detail" | "event" | "required";

/** Takes whole lines. */
export interface LineSink {
  /** Queues one line, which ends in a newline; never blocks and never throws. Without room the line is dropped. */
  write(line: string, importance: Importance): void;
  /** Called when lines are taken again after some were dropped, with their number. */
  onDropped: ((lines: number) => void) | null;
}

/** A sink on a descriptor. Disposing it waits a moment for lines that are queued. */
export class DescriptorSink implements LineSink, AsyncDisposable {
  onDropped: ((lines: number) => void) | null = null;
  readonly #fd: number;
  readonly #queueMaxBytes: number;
  readonly #closeTimeoutMs: number;
  readonly #socket: Socket | null;
  #isPoolUsable = false;
  #isBroken = false;
  #queue: string[] = [];
  #queuedBytes = 0;
  #isWriting = false;
  #droppedNow = 0;
  #droppedTotal = 0;
  #idle: PromiseWithResolvers<void> | null = null;

  /**
   * Takes the descriptor over; one above 2 is closed on disposal.
   * `queueMaxBytes`: room for lines that are not written yet, default 256 KiB; details get half of it.
   * `closeTimeoutMs`: how long disposal waits for a slow reader, default 500.
   */
  constructor(fd: number, options: { readonly queueMaxBytes?: number; readonly closeTimeoutMs?: number } = {}) {
    this.#fd = fd;
    this.#queueMaxBytes = options.queueMaxBytes ?? 256 * 1024;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 500;
    this.#socket = openStream(fd);
    this.#socket?.on("error", () => this.#broke());
  }

  /** Whether a person reads: the descriptor is a terminal. */
  get isTerminal(): boolean {
    return isatty(this.#fd);
  }

  /** Lines dropped since the start. */
  get droppedLines(): number {
    return this.#droppedTotal;
  }

  /** From here on the thread pool may be used: call it when the process is in its final namespaces. */
  usePool(): void {
    this.#isPoolUsable = true;
  }

  write(line: string, importance: Importance): void {
    const bytes = Buffer.byteLength(line);
    const room = importance === "detail" ? this.#queueMaxBytes / 2 : this.#queueMaxBytes;
    if (this.#isBroken || (this.#queuedBytes + bytes > room && importance !== "required")) {
      this.#drop(1);
      return;
    }
    this.#queue.push(line);
    this.#queuedBytes += bytes;
    if (!this.#isWriting) this.#writeQueued();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isWriting && !this.#isBroken) {
      this.#idle ??= Promise.withResolvers();
      const timer = setTimeout(() => this.#broke(), this.#closeTimeoutMs);
      await this.#idle.promise;
      clearTimeout(timer);
    }
    this.#isBroken = true;
    // Descriptors 0 to 2 stay open: a later file must not get one of these numbers.
    if (this.#socket !== null && this.#fd > 2) this.#socket.destroy();
  }

  /** Everything that is queued goes out in one write; what arrives meanwhile waits for the next. */
  #writeQueued(): void {
    const lines = this.#queue.length;
    const chunk = Buffer.from(this.#queue.join(""));
    this.#queue = [];
    this.#isWriting = true;
    const done = (error?: Error | null): void => {
      this.#isWriting = false;
      this.#queuedBytes -= chunk.length;
      if (error) this.#drop(lines);
      // A stream that failed once is over; a full disk may have room again.
      if (error && this.#socket !== null) this.#broke();
      this.#written();
    };
    if (this.#socket !== null) this.#socket.write(chunk, done);
    else if (this.#isPoolUsable) this.#writeToFile(chunk, 0, done);
    else done(writeWhole(this.#fd, chunk));
  }

  #writeToFile(chunk: Buffer, offset: number, done: (error?: Error | null) => void): void {
    writeAsync(this.#fd, chunk, offset, chunk.length - offset, null, (error, written) => {
      if (error !== null || offset + written >= chunk.length) done(error);
      else this.#writeToFile(chunk, offset + written, done);
    });
  }

  #written(): void {
    if (this.#queue.length > 0) {
      this.#writeQueued();
      return;
    }
    this.#idle?.resolve();
    if (this.#droppedNow === 0 || this.#isBroken) return;
    const dropped = this.#droppedNow;
    this.#droppedNow = 0;
    this.onDropped?.(dropped);
  }

  /** The reader is gone, or disposal waits no longer: nothing more is written, lines are only counted. */
  #broke(): void {
    this.#isBroken = true;
    this.#drop(this.#queue.length);
    this.#queue = [];
    this.#idle?.resolve();
  }

  #drop(lines: number): void {
    this.#droppedNow += lines;
    this.#droppedTotal += lines;
  }
}

function openStream(fd: number): Socket | null {
  // Once, at start, on a descriptor that is open.
  // oxlint-disable-next-line node/no-sync
  const stat = fstatSync(fd);
  if (!stat.isFIFO() && !stat.isSocket()) return null;
  const socket = new Socket({ fd, readable: false, writable: true });
  // An idle log must not keep the process alive.
  socket.unref();
  return socket;
}

function writeWhole(fd: number, chunk: Buffer): Error | null {
  try {
    // Only before `usePool()`, when nothing is served yet.
    // oxlint-disable-next-line node/no-sync
    for (let offset = 0; offset < chunk.length;) offset += writeSync(fd, chunk, offset);
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error("write failed", { cause: error });
  }
}
