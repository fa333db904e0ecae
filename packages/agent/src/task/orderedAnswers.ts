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

/** A job that is done when it returns, or when its promise settles. */
type Job = () => void | Promise<void>;

/** Jobs in a row that were done at once, before everybody else has a turn. */
const JOBS_IN_A_ROW = 32;

/** Jobs that run one after another. The first one begins in the call that adds it. */
export class WorkInOrder {
  readonly #jobs: Job[] = [];
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

  add(job: Job): void {
    if (this.#isRunning) {
      this.#jobs.push(job);
      return;
    }
    this.#isRunning = true;
    if (this.#isDone(job)) this.#run();
  }

  /** Forgets the jobs that have not begun. */
  clear(): void {
    this.#jobs.length = 0;
  }

  #run(): void {
    for (let count = 0; this.#jobs.length > 0; count += 1) {
      if (count === JOBS_IN_A_ROW) {
        setImmediate(() => this.#run());
        return;
      }
      if (!this.#isDone(this.#jobs.shift()!)) return;
    }
    this.#isRunning = false;
  }

  /** Starts a job. Returns false when it goes on after this call; then the next ones follow by themselves. */
  #isDone(job: Job): boolean {
    try {
      const running = job();
      if (running === undefined) return true;
      void running.catch(this.#onError).then(() => this.#run());
      return false;
    } catch (error) {
      this.#onError(error);
      return true;
    }
  }
}
