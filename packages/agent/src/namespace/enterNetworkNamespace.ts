// Moves the agent into the network namespace of its target: once, at start, after the agent's own listeners were made and
// before anything else opened a socket or used libuv's pool (whose threads stay in the namespace of their first use).
//
// There is no way back and no substitute: when the namespace cannot be entered this throws, and the agent's own namespace is
// never used in its place. A target that is the agent's own pod (ephemeral and targetless modes) needs no call.

import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { CLONE_NEWNET, setns } from "@understudy/native";
import type { HeldProcess } from "./heldProcess.ts";

/** The network namespace of the target could not be entered. `cause` is the failed system call. */
export class NamespaceError extends Error {
  override readonly name = "NamespaceError";
}

/**
 * Makes the calling thread a member of a process's network namespace. Synchronous: it is meant for the time before serving, and nothing in it
 * waits.
 *
 * @throws NamespaceError when the process is gone, or rights are missing (CAP_SYS_ADMIN, and CAP_SYS_PTRACE for a process of another user).
 */
export function enterNetworkNamespace(process: HeldProcess): void {
  const { pid } = process;
  let fd: number;
  try {
    fd = openSync(`${process.path}/ns/net`, "r");
  } catch (cause) {
    throw new NamespaceError(`the network namespace of process ${pid} cannot be opened`, { cause });
  }
  try {
    setns(fd, CLONE_NEWNET);
    const entered = statSync("/proc/thread-self/ns/net");
    const wanted = fstatSync(fd);
    if (entered.ino === wanted.ino && entered.dev === wanted.dev) return;
  } catch (cause) {
    throw new NamespaceError(`the network namespace of process ${pid} cannot be entered`, { cause });
  } finally {
    closeSync(fd);
  }
  throw new NamespaceError(`the thread is not in the network namespace of process ${pid} after entering it`);
}
