// Who may have a thread of libuv's pool, so that calls which never come back take some threads and not all. A call cannot be taken out of a
// thread; what can be done is to hand out the rest with care. Callers say on which file system a call works, for that is what gets stuck:
//
// - A holder (a session) has one thread at a time. Its further calls wait, in order.
// - A file system has at most as many threads as are free at that moment. One that is dead can so take half of the pool at once, the next one
//   half of the rest, and what works finds a thread.
// - A call that takes long counts as stuck. A file system with several stuck calls gets no more threads until some of them come back: its
//   callers wait, as they would in a process of their own, and cost nothing meanwhile.
// - Before a path is looked up, nobody knows its file system. Few such calls run at once, and none while one of them is stuck; callers then
//   look up step by step, naming the file system of each directory (`mayLookUp`).
//
// It counts what goes through it. The few other users of the pool (the log's file, the metrics) are left out: the reserve covers them.

/** Device number of the file system on which a call works; null for a path that has not been looked up. */
export type Place = number | null;

export interface ThreadPoolOptions {
  /** Threads of the pool. Default 16. */
  readonly threads?: number;
  /** A call that has taken so long is stuck, in ms. Default 1000. */
  readonly stuckAfterMs?: number;
}

/** Threads that a running process is given when nothing else was said. */
export const defaultThreads = 16;
const defaultStuckAfterMs = 1000;
/** Stuck calls of one file system at which it gets no more threads. */
const stuckMaxOfPlace = 4;
/** Calls at once whose file system nobody knows. */
const lookUpsMax = 4;
/** Calls of one holder that wait for their turn. */
const waitingMaxOfHolder = 1024;

interface Call {
  readonly place: Place;
  readonly beganMs: number;
  isStuck: boolean;
}

interface PlaceState {
  underWay: number;
  stuck: number;
  /** Calls that wait for a thread, in order. */
  readonly waiting: (() => void)[];
}

/** The threads of this process's pool. One for the whole agent. */
export class ThreadPool {
  readonly #threads: number;
  readonly #stuckAfterMs: number;
  /** In the order in which they began. */
  readonly #calls = new Set<Call>();
  readonly #places = new Map<Place, PlaceState>();
  #stuck = 0;
  #isChecking = false;

  constructor({ threads = defaultThreads, stuckAfterMs = defaultStuckAfterMs }: ThreadPoolOptions = {}) {
    this.#threads = Math.max(1, threads);
    this.#stuckAfterMs = stuckAfterMs;
  }

  /** Calls that have been in the pool for too long and have not come back. */
  get stuckCalls(): number {
    return this.#stuck;
  }

  /** Threads of the pool. */
  get size(): number {
    return this.#threads;
  }

  /** Calls that are in the pool. */
  get underWay(): number {
    return this.#calls.size;
  }

  /** Whether a whole path may be looked up by one call at once. If not, it waits unless its place is named. */
  get mayLookUp(): boolean {
    return this.#hasThread(null, this.#places.get(null));
  }

  /** What one holder has of the pool. @param signal its abort ends the waits for a thread, not the calls. */
  share(signal?: AbortSignal): PoolShare {
    return new PoolShare(this, signal ?? null);
  }

  /** Used by shares: runs `work`, one call of the pool, as soon as there is a thread for it. */
  async run<T>(place: Place, work: () => Promise<T>, signal: AbortSignal | null): Promise<T> {
    let state = this.#places.get(place);
    if (!this.#hasThread(place, state) || (state !== undefined && state.waiting.length > 0)) state = await this.#thread(place, signal);
    else state = this.#take(place);
    const call: Call = { place, beganMs: performance.now(), isStuck: false };
    this.#calls.add(call);
    if (!this.#isChecking) this.#checkLater();
    try {
      return await work();
    } finally {
      this.#calls.delete(call);
      this.#giveBack(state, call);
    }
  }

  #hasThread(place: Place, state: PlaceState | undefined): boolean {
    let taken = 0;
    for (const { underWay } of this.#places.values()) taken += underWay;
    const free = this.#threads - taken;
    if (state === undefined) return free > 0;
    if (place === null && (state.stuck > 0 || state.underWay >= lookUpsMax)) return false;
    // A pool of one thread has none to keep free.
    return state.stuck < stuckMaxOfPlace && (state.underWay < free || (free > 0 && state.underWay === 0));
  }

  #take(place: Place): PlaceState {
    const state = this.#stateOf(place);
    state.underWay += 1;
    return state;
  }

  #stateOf(place: Place): PlaceState {
    let state = this.#places.get(place);
    if (state === undefined) {
      state = { underWay: 0, stuck: 0, waiting: [] };
      this.#places.set(place, state);
    }
    return state;
  }

  /** Resolves when a thread was taken for the place. */
  #thread(place: Place, signal: AbortSignal | null): Promise<PlaceState> {
    const state = this.#stateOf(place);
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener("abort", giveUp);
        state.underWay += 1;
        resolve(state);
      };
      const giveUp = (): void => {
        state.waiting.splice(state.waiting.indexOf(start), 1);
        this.#forgetIfUnused(place, state);
        reject(new Error("the wait for a thread has ended", { cause: signal?.reason }));
      };
      state.waiting.push(start);
      if (signal?.aborted) giveUp();
      else signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  #giveBack(state: PlaceState, call: Call): void {
    state.underWay -= 1;
    if (call.isStuck) {
      state.stuck -= 1;
      this.#stuck -= 1;
    }
    for (const [place, waited] of this.#places) {
      while (waited.waiting.length > 0 && this.#hasThread(place, waited)) waited.waiting.shift()?.();
    }
    this.#forgetIfUnused(call.place, state);
  }

  #forgetIfUnused(place: Place, state: PlaceState): void {
    if (state.underWay === 0 && state.waiting.length === 0) this.#places.delete(place);
  }

  /** One timer for all calls: starting a timer for each would cost more than many a call. */
  #checkLater(): void {
    this.#isChecking = true;
    setTimeout(() => this.#findStuck(), this.#stuckAfterMs / 2).unref();
  }

  #findStuck(): void {
    const now = performance.now();
    for (const call of this.#calls) {
      if (now - call.beganMs < this.#stuckAfterMs) break;
      if (call.isStuck) continue;
      call.isStuck = true;
      this.#stateOf(call.place).stuck += 1;
      this.#stuck += 1;
    }
    this.#isChecking = false;
    if (this.#calls.size > 0) this.#checkLater();
  }
}

/** One holder's way into the pool. */
export class PoolShare {
  readonly #pool: ThreadPool;
  readonly #signal: AbortSignal | null;
  #isTaken = false;
  readonly #waiting: (() => void)[] = [];

  constructor(pool: ThreadPool, signal: AbortSignal | null) {
    this.#pool = pool;
    this.#signal = signal;
  }

  /** As `ThreadPool.mayLookUp`. */
  get mayLookUp(): boolean {
    return this.#pool.mayLookUp;
  }

  /**
   * Runs one call of the pool when this holder has no other there and there is a thread.
   *
   * @param place file system on which it works.
   * @throws what `work` throws, and an error when the holder's signal aborts before it began.
   */
  run<T>(place: Place, work: () => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#pool.run(place, work, this.#signal));
  }

  /** The same for what must be done although the holder is gone, such as closing. */
  runToEnd<T>(place: Place, work: () => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#pool.run(place, work, null));
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#waiting.length >= waitingMaxOfHolder) throw new Error(`${waitingMaxOfHolder} calls of one holder wait for a thread`);
    if (this.#isTaken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#isTaken = true;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      // The turn goes straight to the next in line, so that nobody else takes it in between.
      if (next === undefined) this.#isTaken = false;
      else next();
    }
  }
}

/**
 * Says how many threads libuv's pool shall have, unless the environment says so already. To be called before anything has used the pool.
 *
 * @returns the number of threads, by libuv's own reading of the variable: 1 to 1024.
 */
export function preparePool(env: NodeJS.ProcessEnv): number {
  env["UV_THREADPOOL_SIZE"] ??= String(defaultThreads);
  const wanted = Number.parseInt(env["UV_THREADPOOL_SIZE"], 10) || 1;
  return Math.min(1024, Math.max(1, wanted));
}
