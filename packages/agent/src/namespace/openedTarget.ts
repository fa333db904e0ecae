// What is opened of the target while the agent still has the rights to: its root folder and the environment of its process. Synchronous, since the thread pool's threads would keep
// rights that the agent gives up next; meant for the time before serving, and nothing in it waits.

import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { O_PATH } from "@understudy/native";
import type { HeldProcess } from "./heldProcess.ts";

/** The target's root directory, good for looking up paths below it. Disposing it closes the descriptor. */
export interface TargetRoot extends Disposable {
  readonly fd: number;
}

/** Without a target it is the agent's own. @throws when the agent may not have it, or the process has ended. */
export function openRoot(target: HeldProcess | null): TargetRoot {
  const fd = openSync(target === null ? "/" : `${target.path}/root`, O_PATH | constants.O_DIRECTORY);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** As the process was started with it, each variable ended by a zero. Without a target it is the agent's own. @throws as `openRoot`. */
export function readEnviron(target: HeldProcess | null): Uint8Array {
  return readFileSync(`${target?.path ?? "/proc/self"}/environ`);
}
