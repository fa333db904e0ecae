// One claim on a port of the target: who handles its requests and connections, and which of them are in progress.

import type { HttpFilter, IncomingTrafficTransportType, SocketAddr } from "@understudy/protocol";
import type { ConnectionStream } from "../connectionStream.ts";
import type { IncomingRequest, StolenResponse } from "./httpMessages.ts";

/** A raw connection of the target's peer, stolen or mirrored. A mirrored one cannot be written to. */
export interface IncomingConnection {
  /** `end()` half-closes, `destroy()` gives the connection up. The handler owns it. */
  readonly stream: ConnectionStream;
  readonly port: number;
  readonly source: SocketAddr;
  readonly transport: IncomingTrafficTransportType;
}

/** What is taken of a port, and who gets it. */
export interface StealOptions {
  /** Which requests to take; without it everything is taken, raw connections too. */
  readonly filter?: HttpFilter | undefined;
  /** Answers a request. A rejection is answered with 502 and its message. Without a handler every request is. */
  readonly onRequest?: ((request: IncomingRequest) => StolenResponse | Promise<StolenResponse>) | undefined;
  /** Takes over a connection. Without a handler connections are given up at once. */
  readonly onConnection?: ((connection: IncomingConnection) => void) | undefined;
}

/** As `StealOptions`, for copies: there is nobody to answer. */
export interface MirrorOptions {
  readonly filter?: HttpFilter | undefined;
  /** Looks at a request. Its `signal` aborts when the agent is done with the request; a body that was complete can still be read. */
  readonly onRequest?: ((request: IncomingRequest) => void | Promise<void>) | undefined;
  readonly onConnection?: ((connection: IncomingConnection) => void) | undefined;
}

/** A subscribed port. */
export interface Subscription extends AsyncDisposable {
  readonly port: number;
  /**
   * Ends the claim: nothing new comes once this has resolved, and handlers of requests that came before have finished.
   * Connections go on, they are their handlers'. Never rejects; a session that ends meanwhile ends the claim too.
   */
  close(): Promise<void>;
}

/** The state behind a `Subscription`. */
export class Claim implements Subscription {
  readonly port: number;
  readonly handlers: Pick<StealOptions, "onConnection"> & {
    readonly onRequest?: ((request: IncomingRequest) => StolenResponse | void | Promise<StolenResponse | void>) | undefined;
  };
  readonly #release: (claim: Claim) => Promise<void>;
  readonly #inProgress = new Set<Promise<void>>();
  #closing: Promise<void> | null = null;

  constructor(port: number, handlers: Claim["handlers"], release: (claim: Claim) => Promise<void>) {
    this.port = port;
    this.handlers = handlers;
    this.#release = release;
  }

  /** Notes work that `close` waits for. `work` never rejects. */
  track(work: Promise<void>): void {
    this.#inProgress.add(work);
    void work.then(() => this.#inProgress.delete(work));
  }

  close(): Promise<void> {
    this.#closing ??= this.#release(this).then(async () => {
      await Promise.all(this.#inProgress);
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
