// Searches that take longer than one turn of the event loop should: they go on in slices, one slice a turn for all of them, so that a filter that
// backtracks for long delays nobody else. Who waits here is served in turns, filter by filter; what finds no room counts as no match.

/** Most steps of one search, some tens of milliseconds; a longer one is given up. */
export const MAX_STEPS = 4_000_000;

/** Work that can be stopped and gone on with. */
export interface Sliced {
  /** Goes on for about so many more steps; null when it is not over. */
  run(steps: number): boolean | null;
}

/** A search in texts: whether one of them matches. */
export interface SlicedSearch extends Sliced {
  /** Steps made so far. */
  readonly steps: number;
  /** Whether it was given up. */
  readonly hasOverrun: boolean;
}

/** Steps in one turn of the event loop, some tenths of a millisecond. */
const SLICE_STEPS = 20_000;
/** Most searches that one filter has waiting. */
const MAX_WAITING_PER_FILTER = 16;
/** Most searches of all filters waiting; only the one that runs holds more than its text. */
const MAX_WAITING = 256;

interface Waiting {
  readonly begin: () => Sliced;
  readonly end: (answer: boolean) => void;
}

export class LongSearches {
  /** By filter, in the order in which their turns come. */
  readonly #waiting = new Map<object, Waiting[]>();
  #count = 0;
  #isRunning = false;

  /** `start` is called when its turn comes, and `done` at the end. Null when there is no room. Never rejects. */
  search<T extends Sliced>(filter: object, start: () => T, done: (search: T) => void): Promise<boolean> | null {
    const own = this.#waiting.get(filter);
    if (this.#count >= MAX_WAITING || (own?.length ?? 0) >= MAX_WAITING_PER_FILTER) return null;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let search: T;
    const waiting: Waiting = {
      begin: () => (search = start()),
      end: (answer) => {
        done(search);
        resolve(answer);
      },
    };
    this.#count++;
    if (own === undefined) this.#waiting.set(filter, [waiting]);
    else own.push(waiting);
    if (!this.#isRunning) this.#next();
    return promise;
  }

  #next(): void {
    const first = this.#waiting.entries().next();
    this.#isRunning = first.done !== true;
    if (first.done === true) return;
    const [filter, own] = first.value;
    // Its next search waits until all other filters had their turn.
    this.#waiting.delete(filter);
    const waiting = own.shift();
    if (own.length > 0) this.#waiting.set(filter, own);
    if (waiting === undefined) return;
    this.#count--;
    setImmediate(() => this.#slice(waiting.begin(), waiting.end));
  }

  #slice(search: Sliced, end: (answer: boolean) => void): void {
    const answer = search.run(SLICE_STEPS);
    if (answer === null) {
      setImmediate(() => this.#slice(search, end));
      return;
    }
    end(answer);
    this.#next();
  }
}
