// A socket whose bytes can be had as views of buffers that it reads into again and again, instead of by `data` events with memory for each read: at hundreds
// of megabytes a second most of the time would go into getting and collecting that. Until somebody takes the views it is a socket like any other.

import { Socket, type SocketConstructorOpts } from "node:net";
import { type ReceiveMemory, ReusedBuffers } from "./reusedBuffers.ts";

/** Called with bytes that are good for this call, and longer where the socket's `memory` is told so. */
export type OnBytes = (bytes: Uint8Array) => void;

interface Reading {
  readonly buffers: ReusedBuffers;
  /** Returns false to stop reading. */
  arrived: (bytes: Uint8Array) => boolean;
}

export class ViewSocket extends Socket {
  readonly #reading: Reading;

  constructor(options: SocketConstructorOpts) {
    const reading: Reading = { buffers: new ReusedBuffers(), arrived: () => true };
    super({
      ...options,
      onread: { buffer: () => reading.buffers.next(), callback: (length, bytes) => reading.arrived(bytes.subarray(0, length)) },
    });
    this.#reading = reading;
    reading.arrived = (bytes) => this.push(new Uint8Array(bytes));
  }

  /**
   * Continues a connection that a server of `node:net` has accepted, with `pauseOnConnect` and `allowHalfOpen`, and of which nothing was read: a server cannot
   * be told to make such sockets. The accepted one stays the server's, and closes after this one. Null where Node does not show what it would take.
   */
  static accepted(socket: Socket): ViewSocket | null {
    const accepted = socket as unknown as { _handle?: NonNullable<SocketConstructorOpts["handle"]> | null };
    const handle = accepted._handle;
    if (typeof handle !== "object" || handle === null) return null;
    accepted._handle = null;
    // Not reading yet, as Node starts the sockets of child processes.
    const options = { handle, manualStart: true, allowHalfOpen: true, highWaterMark: socket.writableHighWaterMark };
    const view = new ViewSocket(options);
    view.once("close", () => socket.destroy());
    socket.once("close", () => view.destroy());
    return view;
  }

  /** Where the views lie. */
  get memory(): ReceiveMemory {
    return this.#reading.buffers;
  }

  /** From here on `onBytes` gets what arrives, after what has arrived already, which comes as `data`. `pause` and `resume` work as ever. */
  takeBytes(onBytes: OnBytes): void {
    this.#reading.arrived = (bytes) => {
      if (this.readableLength > 0) return this.push(new Uint8Array(bytes));
      onBytes(bytes);
      return !this.isPaused();
    };
  }
}
