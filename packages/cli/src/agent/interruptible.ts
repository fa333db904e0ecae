// What every command does around work that takes a while: Ctrl-C ends it in good order, and a failure becomes one sentence and an exit code.

import { EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE } from "../exitCodes.ts";
import { failureText } from "../failureText.ts";
import { type Output, printable } from "../output.ts";
import { UsageError } from "../usageError.ts";

/**
 * Resolves with the exit code, never rejects. `stopped` aborts at SIGINT and SIGTERM; a second one does not wait. After a call of
 * `leaveSignals` they are the work's own.
 * @param interrupted the code when work that was stopped rejects.
 */
export async function interruptible(
  output: Output,
  interrupted: number,
  work: (stopped: AbortSignal, leaveSignals: () => void) => Promise<number>,
): Promise<number> {
  const stopped = new AbortController();
  const onSignal = (): void => {
    if (stopped.signal.aborted) output.quit(EXIT_INTERRUPTED);
    stopped.abort();
  };
  const leaveSignals = (): void => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work(stopped.signal, leaveSignals);
  } catch (error) {
    if (stopped.signal.aborted) return interrupted;
    for (const line of failureText(error).split("\n")) output.note(printable(line));
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  } finally {
    leaveSignals();
  }
}
