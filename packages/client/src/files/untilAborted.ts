// A wait for an answer that its caller may give up. The answer comes all the same, and in its order.

/** What every request takes. */
export interface WaitOptions {
  /** Gives up the wait: it rejects with the signal's reason. The request may be done by the agent nevertheless. */
  readonly signal?: AbortSignal | undefined;
}

/** `answer`, or a rejection with the reason of `signal`; what comes after that is given to `onLate`, once. */
export function untilAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined, onLate: (answer: T) => void): Promise<T> {
  if (signal === undefined) return answer;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
      // A late failure has nobody who could use it.
      answer.then(onLate, () => undefined);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    answer
      .finally(() => signal.removeEventListener("abort", onAbort))
      .then(
        (value) => resolve(value),
        (error: Error) => reject(error),
      );
  });
}
