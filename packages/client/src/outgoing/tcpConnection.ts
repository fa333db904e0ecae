// A stream connection that the agent made: TCP, or a unix socket of the target. It has the methods of a `net.Socket` that HTTP clients and drivers of
// databases call on what they are given as one.

import type { DaemonConnect, SocketAddress } from "@understudy/protocol";
import { ConnectionStream, type ConnectionWire } from "../connectionStream.ts";
import type { ReceiveBudget } from "../receiveBudget.ts";

/** Owned by who asked for it: `end()` half-closes, `destroy()` closes. */
export class TcpConnection extends ConnectionStream {
  /** The peer, as the agent's kernel names it. */
  readonly peerAddress: SocketAddress;
  /** The agent's end of the connection. */
  readonly agentAddress: SocketAddress;
  #idle: NodeJS.Timeout | undefined;

  constructor({ remoteAddress, localAddress }: DaemonConnect, wire: ConnectionWire, budget: ReceiveBudget) {
    super(wire, budget);
    this.peerAddress = remoteAddress;
    this.agentAddress = localAddress;
  }

  override received(bytes: Uint8Array): void {
    this.#idle?.refresh();
    super.received(bytes);
  }

  override _writev(items: readonly { readonly chunk: Uint8Array }[], done: (error: Error | null) => void): void {
    this.#idle?.refresh();
    super._writev(items, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle);
    super._destroy(error, done);
  }

  /** Emits `timeout` when nothing was sent or received for so many milliseconds, and does no more; 0 ends that. */
  setTimeout(idleTimeoutMs: number, onTimeout?: () => void): this {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    if (idleTimeoutMs > 0) {
      if (!this.destroyed) this.#idle = setTimeout(() => this.emit("timeout"), idleTimeoutMs).unref();
      if (onTimeout !== undefined) this.once("timeout", onTimeout);
    } else if (onTimeout !== undefined) {
      this.off("timeout", onTimeout);
    }
    return this;
  }

  /** Without effect: the agent sends at once, always. */
  setNoDelay(_isOn?: boolean): this {
    return this;
  }

  /** Without effect: the connection to the agent has probes of its own, the agent's to its peer are the agent's. */
  setKeepAlive(_isOn?: boolean, _initialDelayMs?: number): this {
    return this;
  }

  /** Without effect: it is the session that keeps a process alive. */
  ref(): this {
    return this;
  }

  /** Without effect, as `ref`. */
  unref(): this {
    return this;
  }
}
