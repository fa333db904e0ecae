// One request or connection in progress, as a report sees it.

export interface TransferEnd {
  /** Null when the peer went away before there was one, and for connections. */
  readonly status: number | null;
  readonly durationMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** What failed; null when nothing did. */
  readonly error: string | null;
  /** Why the target answered instead of the server; null when it did not. */
  readonly fellBackFor: string | null;
}

/** Bytes from and to a peer. */
interface Counted {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export class Transfer {
  /** For the user: `GET /path`, or the peer's address. */
  readonly name: string;
  readonly startedAt = performance.now();
  readonly #onEnd: (transfer: Transfer, end: TransferEnd) => void;
  #receivedBytes = 0;
  #sentBytes = 0;
  #status: number | null = null;
  #fellBackFor: string | null = null;
  #isOver = false;
  #followed: Counted | null = null;

  constructor(name: string, onEnd: (transfer: Transfer, end: TransferEnd) => void) {
    this.name = name;
    this.#onEnd = onEnd;
  }

  /** Bytes of both directions so far. */
  get bytes(): number {
    return this.#receivedTotal + this.#sentTotal;
  }

  /** More of what the peer sends. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** More of what the peer gets. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** A connection of the peer that counts its bytes itself. */
  follow(connection: Counted): void {
    this.#followed = connection;
  }

  answered(status: number): void {
    this.#status = status;
  }

  fellBack(reason: string): void {
    this.#fellBackFor = reason;
  }

  /** Only the first end counts. */
  end(error: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd(this, {
      status: this.#status,
      durationMs: performance.now() - this.startedAt,
      receivedBytes: this.#receivedTotal,
      sentBytes: this.#sentTotal,
      error,
      fellBackFor: this.#fellBackFor,
    });
  }

  get #receivedTotal(): number {
    return this.#receivedBytes + (this.#followed?.bytesRead ?? 0);
  }

  get #sentTotal(): number {
    return this.#sentBytes + (this.#followed?.bytesWritten ?? 0);
  }
}
