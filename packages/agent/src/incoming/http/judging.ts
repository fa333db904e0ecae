// A request whose recipient is not known yet: a filter looks at its body, which is still coming, or asks something outside of this thread. Its bytes wait meanwhile, and
// so does its peer, once it has sent a good deal ahead.

import type { Judgement } from "../judge.ts";
import type { BodyCollector } from "./bodyCollector.ts";

export interface JudgingOptions {
  /** Asks the filters. `body` is null when it is not wholly there, or larger than filters look at. */
  readonly ask: (body: Uint8Array | null) => Judgement | Promise<Judgement>;
  /** Called when there is a judgement, unless it came at once. */
  readonly onJudged: () => void;
  readonly onBug: (error: unknown) => void;
}

export class Judging implements Disposable {
  readonly kind = "judging";
  readonly #options: JudgingOptions;
  /** The body, while more of it is wanted. */
  #body: BodyCollector | null = null;
  #timer: NodeJS.Timeout | undefined;
  #hasLooked = false;
  #judgement: Judgement | null = null;
  #isDisposed = false;

  constructor(options: JudgingOptions) {
    this.#options = options;
  }

  /** Null while it is not known. */
  get judgement(): Judgement | null {
    return this.#judgement;
  }

  get isCollecting(): boolean {
    return this.#body !== null;
  }

  /** Waits for the body, but no longer than `timeoutMs`. */
  collect(body: BodyCollector, timeoutMs: number): void {
    this.#body = body;
    this.#timer = setTimeout(() => this.stopCollecting(), timeoutMs);
  }

  /** Looks at what there is of the body, all of it in `bytes[start, end)`, the first time at what came with the head. Returns false when it is malformed. */
  look(bytes: Uint8Array, start: number, end: number): boolean {
    const body = this.#body;
    if (body === null) return true;
    const collected = body.take(bytes, start + body.takenBytes, end, !this.#hasLooked);
    this.#hasLooked = true;
    if (collected === "complete") this.#ask(body.body());
    else if (collected === "enough") this.#ask(null);
    return collected !== "malformed";
  }

  /** Judges without the rest of the body. */
  stopCollecting(): void {
    if (this.#body === null) return;
    this.#ask(null);
    if (this.#judgement !== null) this.#options.onJudged();
  }

  /** Waits for what filters answer that were asked already. */
  wait(pending: Promise<Judgement>): void {
    pending
      .then((judgement) => {
        if (this.#isDisposed) return;
        this.#judgement = judgement;
        this.#options.onJudged();
      })
      .catch(this.#options.onBug);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#body = null;
    clearTimeout(this.#timer);
  }

  #ask(body: Uint8Array | null): void {
    this.#body = null;
    clearTimeout(this.#timer);
    const judgement = this.#options.ask(body);
    if (judgement instanceof Promise) this.wait(judgement);
    else this.#judgement = judgement;
  }
}
