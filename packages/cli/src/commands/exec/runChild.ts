// A command as a child with this process's own standard streams: its exit code is the result, and signals that come here are passed on.

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { failureText } from "../../failureText.ts";

/** As shells and env(1) say it. */
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;
const EXIT_SIGNAL = 128;

const passedOn: readonly NodeJS.Signals[] = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"];
/** A terminal sends these to its whole foreground, the child included. */
const byTerminal: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];

export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Gets a sentence when the command cannot be run. */
  readonly onFailed: (text: string) => void;
}

/** Resolves with the exit code: the child's, 128 and the number of the signal that ended it, 127 or 126 when it cannot be run. */
export async function runChild({ command, args, env, onFailed }: ChildCommand): Promise<number> {
  let child: ChildProcess | null = null;
  // Before the child is there, since it may be noticed, and a signal sent, before `spawn` has returned.
  using _signals = onSignals((signal) => child?.kill(signal));
  try {
    const spawned = spawn(command, args, { stdio: "inherit", env });
    child = spawned;
    return await new Promise((resolve, reject) => {
      spawned.once("exit", (code, signal) => resolve(code ?? EXIT_SIGNAL + (signal === null ? 0 : constants.signals[signal])));
      spawned.once("error", reject);
    });
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    onFailed(isMissing ? `there is no program ${command}` : `cannot run ${command}: ${failureText(error)}`);
    return isMissing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
  }
}

/** Calls `pass` for the signals that are passed on, and keeps the others from ending this process, until it is disposed. */
function onSignals(pass: (signal: NodeJS.Signals) => void): Disposable {
  const ignore = (): void => undefined;
  const listeners = [
    ...passedOn.map((signal) => [signal, pass] as const),
    ...byTerminal.map((signal) => [signal, isatty(0) ? ignore : pass] as const),
  ];
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return {
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
}
