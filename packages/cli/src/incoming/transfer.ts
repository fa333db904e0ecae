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

  constructor(name: string, onEnd: (transfer: Transfer, end: TransferEnd) => void) {
    this.name = name;
    this.#onEnd = onEnd;
  }

  /** Bytes of both directions so far. */
  get bytes(): number {
    return this.#receivedBytes + this.#sentBytes;
  }

  /** More of what the peer sends. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** More of what the peer gets. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
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
      receivedBytes: this.#receivedBytes,
      sentBytes: this.#sentBytes,
      error,
      fellBackFor: this.#fellBackFor,
    });
  }
}
