// Notices at once that a held process has ended, however it ended. It is no child of the agent: there is nothing to wait for, and no exit code.

import { watchSocket } from "@understudy/native";
import type { HeldProcess } from "./heldProcess.ts";

/** How often to look where the kernel tells nothing, in ms. */
const LOOK_MS = 500;

/** Calls `onEnd` once when the process has ended, in a later turn of the event loop if it has already. The process must be held for longer. */
export function watchProcessExit(process: HeldProcess, onEnd: () => void): Disposable {
  const { pidfd } = process;
  let hasEnded = false;
  const end = (): void => {
    if (hasEnded) return;
    hasEnded = true;
    watch[Symbol.dispose]();
    onEnd();
  };
  const watch = pidfd === null ? lookRepeatedly(process, end) : watchReadable(pidfd, end);
  return watch;
}

function watchReadable(pidfd: number, onEnd: () => void): Disposable {
  const watch = watchSocket(pidfd, onEnd);
  watch.want({ readable: true, writable: false });
  return watch;
}

function lookRepeatedly(process: HeldProcess, onEnd: () => void): Disposable {
  const timer = setInterval(() => {
    if (!process.isThere) onEnd();
  }, LOOK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
