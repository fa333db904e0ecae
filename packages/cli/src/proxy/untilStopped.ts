// How long a command that serves programs of this machine goes on.

import type { LastingSession, SessionClosedError } from "@understudy/client";

/** Resolves when the user ends it. @throws SessionClosedError when the session is over for good. */
export async function untilStopped(session: Pick<LastingSession, "closed">, stopped: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const onStopped = (): void => resolve(null);
  if (stopped.aborted) onStopped();
  stopped.addEventListener("abort", onStopped, { once: true });
  const lost: SessionClosedError | null = await Promise.race([session.closed, promise]);
  stopped.removeEventListener("abort", onStopped);
  if (lost !== null && !stopped.aborted) throw lost;
}
