// The life of a command that subscribes ports: until the user ends it, until the session is over for good, or until no port is left.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, type LastingSession, type LastingSubscription, SessionClosedError } from "@understudy/client";
import { type Output, printable } from "../output.ts";
import { failureText } from "../failureText.ts";

/** How long the end waits for requests in progress. */
const DRAIN_MAX_MS = 3_000;

/**
 * Subscribes each port in turn, calls `onReady`, and gives all back at the end.
 * @throws Error whose text is one sentence for the user, when the agent refuses or the session is over for good.
 */
export async function whileSubscribed(
  { ports, subscribe }: { readonly ports: readonly number[]; readonly subscribe: (port: number) => Promise<LastingSubscription> },
  { session, stopped, output }: { readonly session: LastingSession; readonly stopped: AbortSignal; readonly output: Output },
  onReady: () => void,
): Promise<void> {
  const subscriptions: LastingSubscription[] = [];
  for (const port of ports) {
    if (stopped.aborted) break;
    subscriptions.push(await subscribe(port).catch((error: unknown) => Promise.reject(refusal(port, error))));
  }
  const allLost = Promise.all(subscriptions.map((subscription) => lost(subscription, output)));
  if (!stopped.aborted) {
    onReady();
    const isStopped = once(stopped, "abort").then(() => null);
    const reason = await Promise.race([
      isStopped,
      session.closed,
      allLost.then(() => new Error("the agent grants none of the ports any more")),
    ]);
    if (reason !== null) throw refusal(null, reason);
  }
  const closing = Promise.all(subscriptions.map((subscription) => subscription.close()));
  await Promise.race([closing, sleep(DRAIN_MAX_MS, undefined, { ref: false })]);
}

/** Resolves when the agent does not grant the port any more, which the user is told. */
async function lost({ port, ended }: LastingSubscription, output: Output): Promise<void> {
  const reason = await ended;
  // Closed by this side, or with its session, which others wait for.
  if (reason === null || reason instanceof SessionClosedError) await new Promise(() => undefined);
  output.note(printable(failureText(refusal(port, reason))));
}

/** What the user can do about it. */
function refusal(port: number | null, error: unknown): Error {
  if (error instanceof AgentError && error.response.kind === "portAlreadyStolen") {
    return new Error(`port ${port} is stolen by another session: end that one first, or choose another port`, { cause: error });
  }
  if (error instanceof SessionClosedError && error.agentText !== null) {
    // Patterns are shown with a marker in a line of its own, which one sentence has no room for.
    return new Error(`the agent closed the session: ${error.agentText.replaceAll(/\s+/g, " ").trim()}`, { cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}
