// Asks a list of servers one question and takes the first useful answer. The next server is asked when one fails, or
// is slow, so that a dead first server costs a moment and not a timeout; at most two are asked at a time.

import type { Answer } from "./message.ts";
import { lookupError, serverError } from "./lookupError.ts";

/** An answer that settles the question. */
export type UsefulAnswer = Extract<Answer, { kind: "records" | "none" }>;

/** Asks one server. */
export type AskServer<Server> = (server: Server, signal: AbortSignal) => Promise<Answer>;

/** After so long without an answer the next server is asked as well. */
const slowMs = 700;
const askedAtOnceMax = 2;

/**
 * Resolves with the first answer that has records or says that there are none.
 * @throws RemoteError when all servers failed: what a server said, rather than that another was silent; the signal's reason on abort.
 */
export function askServers<Server>(servers: readonly Server[], ask: AskServer<Server>, signal: AbortSignal): Promise<UsefulAnswer> {
  return new Promise<UsefulAnswer>((resolve, reject) => {
    const others = new AbortController();
    let next = 0;
    let active = 0;
    let timer: NodeJS.Timeout | undefined;
    let failure: Error = lookupError("no server to ask", { kind: "noConnections" });
    let hasServerSpoken = false;

    const finish = (): boolean => {
      if (others.signal.aborted) return false;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      return true;
    };
    const fail = (error: Error) => {
      if (!finish()) return;
      reject(error);
      others.abort(error);
    };
    const onAbort = () => fail(signal.reason as Error);
    const onFailure = (error: Error, isSpoken: boolean) => {
      active--;
      if (isSpoken || !hasServerSpoken) failure = error;
      hasServerSpoken ||= isSpoken;
      askNext();
    };
    const askNext = () => {
      clearTimeout(timer);
      if (others.signal.aborted) return;
      const server = servers[next++];
      if (server === undefined) {
        if (active === 0) fail(failure);
        return;
      }
      active++;
      ask(server, others.signal).then(
        (answer) => {
          if (answer.kind === "failed") onFailure(serverError(answer.code), true);
          else if (answer.kind === "truncated") onFailure(serverError(0), true);
          else if (finish()) {
            resolve(answer);
            others.abort(new Error("another server answered"));
          }
        },
        (error: Error) => onFailure(error, false),
      );
      if (active < askedAtOnceMax) timer = setTimeout(askNext, slowMs);
    };

    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    askNext();
  });
}
