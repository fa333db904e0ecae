// Periodic pings, so that a connection that died silently is noticed.

import type { AgentLink } from "./agentLink.ts";
import { SessionClosedError } from "./errors.ts";

export interface KeepAliveOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Runs until the session ends. Its timers do not keep the process alive. */
export function keepAlive(link: AgentLink, ping: () => Promise<unknown>, { intervalMs, timeoutMs }: KeepAliveOptions): void {
  const next = (): void => {
    setTimeout(() => void round(), intervalMs).unref();
  };
  const round = async (): Promise<void> => {
    if (link.end !== null) return;
    const timer = watch(link, timeoutMs);
    try {
      await ping();
      next();
    } catch {
      // The session has ended, and told everybody why.
    } finally {
      timer.stop();
    }
  };
  next();
}

/** Ends the session when nothing at all comes for `timeoutMs`. While this side does not read, silence proves nothing. */
function watch(link: AgentLink, timeoutMs: number): { stop: () => void } {
  let received = link.chunksReceived;
  const timer = setInterval(() => {
    if (!link.isPaused && link.chunksReceived === received) {
      link.finish(new SessionClosedError("timeout", `the agent did not answer a ping within ${timeoutMs} ms`));
    }
    received = link.chunksReceived;
  }, timeoutMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
