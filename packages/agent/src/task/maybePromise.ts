// A value that is there already, or one that has to be waited for. For work that is mostly done at once and so small that a promise would cost as much.

export type MaybePromise<T> = T | Promise<T>;

/** Calls `work` with the value, now if it is there. */
export function andThen<T, U>(value: MaybePromise<T>, work: (value: T) => U): MaybePromise<U> {
  return value instanceof Promise ? value.then(work) : work(value);
}
