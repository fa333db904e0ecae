// One end of a byte stream: a TCP or unix socket that reads into a reused buffer, keeps both halves apart, and tells its one reader what
// happens. The reader may change during the connection's life, as more is known about what is spoken on it.

import type { OnReadOpts, Socket } from "node:net";
import { isAtEnd, resetOnClose, sendNow } from "@understudy/native";
import type { ReusedBuffer } from "../link/sessionLink.ts";
import { RECEIVE_BUFFER_BYTES, ReceiveBuffer, type ReceiveBuffers } from "./receiveBuffer.ts";

/** Up to this size a write is copied when it cannot be sent at once; larger ones keep their buffer. */
const COPY_MAX_BYTES = 4096;
/** Up to this size several pieces are copied into one: copying them costs less than telling the system of each. */
const JOINED_MAX_BYTES = 4096;

/** Up to this size bytes are given to the kernel directly: a full receive buffer and what goes before it. Of more it often takes a part only, and the rest would cost a call more. */
const DIRECT_MAX_BYTES = 144 * 1024;

/** Full buffers that all sockets together read in one turn of the event loop before each is held to its own limit. As many as libuv by itself reads of one socket. */
const TURN_READS_MAX = 32;
/** Full buffers that a socket reads in a row in such a turn: without a limit, a few sockets that have much make it last 50 ms. */
const SOCKET_READS_MAX = 4;

/** What is told of a socket. All but `bytes` may be left out. */
export interface SocketReader {
  /**
   * Bytes arrived. They are a view, good for this call; `socket.keep()` makes it good for ever.
   * Returning false pauses reading until `resume`.
   */
  bytes(view: Uint8Array): boolean;
  /** The other side ended its direction. Ours still works. */
  ended?(): void;
  /** All that was written has left, after a `write` that returned false. */
  drained?(): void;
  /** The socket is gone: null after both directions ended, else why. Told once. */
  closed?(error: Error | null): void;
}

/** Sees what arrives before the reader does, and has no say in it. */
export interface SocketObserver {
  bytes(view: Uint8Array): void;
  ended(): void;
  closed(error: Error | null): void;
}

export class ByteSocket implements ReusedBuffer {
  readonly socket: Socket;
  reader: SocketReader;
  observer: SocketObserver | null = null;
  /** Null where each chunk has memory of its own. */
  readonly #buffer: ReceiveBuffer | null;
  readonly #buffers: ReceiveBuffers | null;
  #error: Error | null = null;
  #isBacklogged = false;
  #hasSent = false;
  #isClosed = false;
  #isPaused = false;
  #isHeld = false;
  /** Full buffers read in a row. */
  #fullReads = 0;

  /** `open` makes the socket with the given options, for half-open use. Reading begins at once. */
  constructor(open: (onread: OnReadOpts) => Socket, buffers: ReceiveBuffers, reader: SocketReader);
  /** @internal See `over`. */
  constructor(open: () => Socket, buffers: null, reader: SocketReader);
  constructor(open: (onread: OnReadOpts) => Socket, buffers: ReceiveBuffers | null, reader: SocketReader) {
    this.#buffer = buffers === null ? null : new ReceiveBuffer(buffers);
    this.#buffers = buffers;
    this.reader = reader;
    this.socket = open({
      buffer: () => this.#buffer?.next() ?? new Uint8Array(0),
      callback: (length, bytes) => this.#receive(this.#buffer?.arrived(bytes, length) ?? bytes.subarray(0, length)),
    });
    if (buffers === null) {
      this.socket.on("data", (chunk: Uint8Array) => {
        if (!this.#receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))) this.socket.pause();
      });
    }
    this.socket.on("error", (error) => {
      this.#error = error;
      // A record that breaks TLS is told as an error only, after which nothing comes.
      if (!this.socket.destroyed) this.socket.destroy();
    });
    this.socket.on("end", () => {
      this.observer?.ended();
      this.reader.ended?.();
    });
    this.socket.on("close", () => {
      this.#isClosed = true;
      this.#buffer?.release();
      this.observer?.closed(this.#error);
      this.reader.closed?.(this.#error);
    });
  }

  /** A socket that cannot read into buffers of ours, such as one that speaks TLS. It is half-open, and what it has read already is told soon. */
  static over(socket: Socket, reader: SocketReader): ByteSocket {
    return new ByteSocket(() => socket, null, reader);
  }

  /** The view handed out last stays as it is. */
  keep(): void {
    this.#buffer?.keep();
  }

  /** As `keep`, until the function returned is called. */
  lend(): () => void {
    return this.#buffer?.lend() ?? (() => undefined);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** True when nothing more can be written: ended here, or broken. */
  get isWritable(): boolean {
    return this.socket.writable && !this.#isClosed;
  }

  /** Whether anything was written. */
  get hasWritten(): boolean {
    return this.#hasSent || this.socket.bytesWritten > 0;
  }

  /** Bytes written and not yet taken by the kernel. */
  get backlog(): number {
    return this.socket.writableLength;
  }

  /** Bytes given to the system that it has not taken. While a write is under way it changes exactly when the other side takes something. */
  get unsentBytes(): number {
    return handleOf(this.socket)?.writeQueueSize ?? 0;
  }

  /**
   * Sends bytes that lie in `owner`'s buffer, or in memory that never changes when there is none.
   * Returns false when they did not all leave at once: the source should pause until `drained`.
   */
  write(view: Uint8Array, owner?: ReusedBuffer): boolean {
    if (!this.isWritable) return true;
    if (view.length === 0) return !this.#isBacklogged;
    const sent = view.length > DIRECT_MAX_BYTES ? 0 : this.#sendNow(view, false);
    if (sent === view.length) return true;
    const rest = sent === 0 ? view : view.subarray(sent);
    const mustCopy = owner !== undefined && this.#isBacklogged && rest.length <= COPY_MAX_BYTES;
    this.socket.write(mustCopy ? Buffer.from(rest) : rest, this.#onWritten);
    if (this.socket.writableLength === 0) return true;
    if (!mustCopy) owner?.keep();
    this.#isBacklogged = true;
    return false;
  }

  /** Sends several pieces in one system call where possible. As `write`. */
  writeAll(views: readonly Uint8Array[], owner?: ReusedBuffer): boolean {
    if (views.length === 1) return this.write(views[0]!, owner);
    let bytes = 0;
    for (const view of views) bytes += view.length;
    if (bytes <= JOINED_MAX_BYTES) return this.write(Buffer.concat(views, bytes));
    const rest = bytes > DIRECT_MAX_BYTES ? views : this.#sendAllNow(views);
    this.socket.cork();
    for (const view of rest) if (view.length > 0 && this.isWritable) this.socket.write(view, this.#onWritten);
    this.socket.uncork();
    if (this.socket.writableLength === 0) return true;
    owner?.keep();
    this.#isBacklogged = true;
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isClosed && this.#mayRead) this.socket.resume();
  }

  /** Pauses reading for an observer, whatever the reader wants, until `letGo`. */
  hold(): void {
    this.#isHeld = true;
    this.socket.pause();
  }

  letGo(): void {
    this.#isHeld = false;
    if (!this.#isClosed && this.#mayRead) this.socket.resume();
  }

  /** Ends our direction after what was written. */
  end(): void {
    if (!this.#isClosed && !this.socket.writableEnded) this.socket.end();
  }

  /** Whether the other side has ended its direction, before `ended` tells so in one of the next turns. May be false although it has. */
  get isAtEnd(): boolean {
    return this.#canCallDirectly && isAtEnd(handleOf(this.socket)!.fd);
  }

  /** Ends both directions: ours after what was written, the other at once. */
  close(): void {
    if (!this.#isClosed) this.socket.destroySoon();
  }

  /**
   * Ends our direction after what was written and reads on for a while after that: closing with unread bytes would reset the connection
   * and could take the last ones written with it. The reader should drop what comes. `stuckMs`: how long the other side may take nothing
   * of what still waits for it.
   */
  endAndLinger(ms: number, stuckMs: number): void {
    if (this.#isClosed) return;
    this.end();
    this.resume();
    let unsent = this.unsentBytes;
    let timer = setTimeout(() => {
      if (this.backlog === 0) this.destroy();
      else if (this.unsentBytes === unsent) this.abort();
      else timer.refresh();
      unsent = this.unsentBytes;
    }, stuckMs).unref();
    const linger = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => this.destroy(), ms).unref();
    };
    if (this.socket.writableFinished) linger();
    else this.socket.once("finish", linger);
    this.socket.once("close", () => clearTimeout(timer));
  }

  /** Ends both directions at once. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Ends both directions so that the other side sees a reset. */
  reset(): void {
    // Not `resetAndDestroy`, which fails and never closes while an end is being sent.
    if (!this.#isClosed && !this.socket.destroyed) this.abort();
  }

  /**
   * Ends both directions at once, for `error`, and drops what was not sent. The other side of a TCP connection sees a reset: an orderly end
   * would tell it that it has everything. Unix sockets have no such sign.
   */
  abort(error?: Error): void {
    const fd = handleOf(this.socket)?.fd ?? -1;
    if (fd >= 0) resetOnClose(fd);
    this.socket.destroy(error);
  }

  /**
   * Gives the kernel what it takes at once, without the machinery of streams, which is for bytes that must wait and costs several times what the call does. Returns how
   * many bytes that were.
   */
  #sendNow(view: Uint8Array, hasMore: boolean): number {
    const { socket } = this;
    if (socket.writableLength > 0 || !this.#canCallDirectly) return 0;
    this.#hasSent = true;
    try {
      return sendNow(handleOf(socket)!.fd, view, hasMore);
    } catch (error) {
      socket.destroy(error as Error);
      return view.length;
    }
  }

  /** The same for several pieces. Returns what it did not take. */
  #sendAllNow(views: readonly Uint8Array[]): readonly Uint8Array[] {
    for (const [index, view] of views.entries()) {
      if (!this.isWritable) return [];
      const sent = this.#sendNow(view, index < views.length - 1);
      if (sent < view.length) return [view.subarray(sent), ...views.slice(index + 1)];
    }
    return [];
  }

  /** Whether its bytes are those of a connected socket of the kernel. */
  get #canCallDirectly(): boolean {
    return this.#buffer !== null && !this.socket.connecting && (handleOf(this.socket)?.fd ?? -1) >= 0;
  }

  /** Returns whether reading may go on. */
  #receive(view: Uint8Array): boolean {
    this.observer?.bytes(view);
    if (!this.reader.bytes(view)) this.#isPaused = true;
    return this.#mayRead && !this.#yields(view.length);
  }

  get #mayRead(): boolean {
    return !this.#isPaused && !this.#isHeld;
  }

  /** Whether others are to have a turn now, after which reading goes on by itself. */
  #yields(bytes: number): boolean {
    if (bytes < RECEIVE_BUFFER_BYTES || this.#buffers === null) {
      this.#fullReads = 0;
      return false;
    }
    const count = Math.ceil(bytes / RECEIVE_BUFFER_BYTES);
    this.#fullReads += count;
    if (this.#buffers.countFullReads(count) <= TURN_READS_MAX || this.#fullReads < SOCKET_READS_MAX) return false;
    this.#fullReads = 0;
    setImmediate(() => {
      if (!this.#isClosed && this.#mayRead) this.socket.resume();
    });
    return true;
  }

  readonly #onWritten = (): void => {
    if (!this.#isBacklogged || this.socket.writableLength > 0) return;
    this.#isBacklogged = false;
    this.reader.drained?.();
  };
}

/** `_handle` is no public field, but the only way to what it knows; the version of Node is pinned, and tests use it. */
function handleOf(socket: Socket): { readonly fd: number; readonly writeQueueSize: number } | null {
  return (socket as unknown as { readonly _handle: { readonly fd: number; readonly writeQueueSize: number } | null })._handle;
}
