// The session to use for something new: a given one, or whichever a lasting session has at that moment.

import { SessionClosedError } from "../errors.ts";
import type { LastingSession } from "../lasting/lastingSession.ts";
import type { Session } from "../session.ts";

/** Through which session connections are made. A lasting session makes the new ones through its next session when one is lost. */
export type SessionSource = Session | LastingSession;

/**
 * Runs `work` with the session of now. A session that ends meanwhile is followed by the next one, once, where there is one: `work` must be something
 * that may be begun again.
 */
export async function withCurrentSession<T>(
  source: SessionSource,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  if (!("session" in source)) return await work(source);
  const session = await source.session({ signal });
  try {
    return await work(session);
  } catch (error) {
    if (!(error instanceof SessionClosedError)) throw error;
    // Before that the lasting session may not know.
    await session.closed;
    return await work(await source.session({ signal }));
  }
}

/** What `promise` gives, unless `signal` aborts before: then its reason. What still comes of it is dropped. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
