// A peer's own connection to the target: opened when something must go there, let go of when what it says must not reach the peer.

import type { Arrival } from "../arrival.ts";
import { connectTarget, dropTarget, type TargetConnection, type TargetOptions } from "../target.ts";

/** What is told of the connection that is open. Of one that was dropped nothing is told any more. */
export interface TargetEvents {
  /** As in `SocketReader`. */
  bytes(view: Uint8Array): boolean;
  ended(): void;
  drained(): void;
  /** It is gone; the next `open` makes another one. */
  closed(error: Error | null, connection: TargetConnection): void;
}

export class TargetSide {
  readonly #arrival: Arrival;
  readonly #options: TargetOptions;
  readonly #events: TargetEvents;
  #connection: TargetConnection | null;

  /** `connection`: one that is there already. */
  constructor(arrival: Arrival, options: TargetOptions, connection: TargetConnection | null, events: TargetEvents) {
    this.#arrival = arrival;
    this.#options = options;
    this.#events = events;
    this.#connection = connection;
    if (connection !== null) connection.socket.reader = this.#reader;
  }

  get isOpen(): boolean {
    return this.#connection !== null;
  }

  /** False while the target takes less than it is sent. */
  get hasRoom(): boolean {
    return this.#connection === null || this.#connection.socket.backlog === 0;
  }

  open(): TargetConnection {
    this.#connection ??= connectTarget(this.#arrival, this.#options, this.#reader);
    return this.#connection;
  }

  resume(): void {
    this.#connection?.socket.resume();
  }

  /** Ends the peer's direction. */
  end(): void {
    this.#connection?.socket.end();
  }

  /** Ends both directions, as the peer's connection ended. */
  follow(error: Error | null): void {
    if (error === null) this.#connection?.socket.close();
    else this.#connection?.socket.reset();
  }

  /** Lets go of it: whatever it says or does now concerns nobody. */
  drop(): void {
    if (this.#connection !== null) dropTarget(this.#connection);
    this.#connection = null;
  }

  get #reader(): Parameters<typeof connectTarget>[2] {
    return {
      bytes: (view) => this.#events.bytes(view),
      ended: () => this.#events.ended(),
      drained: () => this.#events.drained(),
      closed: (error) => this.#closed(error),
    };
  }

  #closed(error: Error | null): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) this.#events.closed(error, connection);
  }
}
