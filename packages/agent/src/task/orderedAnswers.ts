// Answers that leave in the order of their requests. `AnswersInOrder` lets the work overlap; `WorkInOrder` does one piece of work at a time.

/** Work that overlaps, with answers in the order in which it was added. */
export class AnswersInOrder<T> {
  readonly #send: (answer: T) => void;
  readonly #onError: (error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  #pending = 0;

  /** `onError` hears of an answer that could not be sent; the next ones are sent all the same. */
  constructor(send: (answer: T) => void, onError: (error: unknown) => void) {
    this.#send = send;
    this.#onError = onError;
  }

  /** Requests not yet answered. */
  get pending(): number {
    return this.#pending;
  }

  /** `work` never rejects: a failure is an answer, too. */
  add(work: Promise<T>): void {
    this.#pending += 1;
    this.#tail = this.#tail
      .then(() => work)
      .then((answer) => {
        this.#pending -= 1;
        this.#send(answer);
      })
      .catch(this.#onError);
  }
}

/** Jobs that run one after another. */
export class WorkInOrder {
  readonly #jobs: (() => Promise<void>)[] = [];
  #isRunning = false;
  readonly #onError: (error: unknown) => void;

  /** `onError` hears of a job that failed; the next ones run all the same. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Jobs that have not ended, the running one included. */
  get pending(): number {
    return this.#jobs.length + (this.#isRunning ? 1 : 0);
  }

  add(job: () => Promise<void>): void {
    this.#jobs.push(job);
    if (!this.#isRunning) void this.#run();
  }

  /** Forgets the jobs that have not begun. */
  clear(): void {
    this.#jobs.length = 0;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        await job();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#isRunning = false;
  }
}
