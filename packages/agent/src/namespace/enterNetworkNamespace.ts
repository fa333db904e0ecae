// Moves the agent into the network namespace of its target: once, at start, after the agent's own listeners were made and
// before anything else opened a socket or used libuv's pool (whose threads stay in the namespace of their first use).
//
// There is no way back and no substitute: when the namespace cannot be entered this throws, and the agent's own namespace is
// never used in its place. A target that is the agent's own pod (ephemeral and targetless modes) needs no call.

import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { CLONE_NEWNET, pidfdOpen, pidfdSendSignal, setns } from "@understudy/native";

/** The network namespace of the target could not be entered. `cause` is the failed system call. */
export class NamespaceError extends Error {
  override readonly name = "NamespaceError";
}

/**
 * Makes the calling thread a member of a process's network namespace. Its own calls are synchronous: it is meant for the time before
 * serving, and nothing in it waits.
 *
 * @param pid id of the target's process, as the agent's `/proc` shows it.
 * @param confirm called while the process is held by a descriptor, so that its id cannot be given to another process
 *   unnoticed: ask here, where that is possible, whether `pid` still is the target's. Whatever it throws ends the attempt.
 * @throws NamespaceError when the process is gone or was replaced, rights are missing (CAP_SYS_ADMIN, and CAP_SYS_PTRACE
 *   for a process of another user), or the kernel does not know the calls (before Linux 5.3).
 */
export async function enterNetworkNamespace(pid: number, confirm?: () => Promise<void>): Promise<void> {
  using process = held("the target's process", pid, () => pidfdOpen(pid));
  await confirm?.();
  using namespace = held("the target's network namespace", pid, () => openSync(`/proc/${pid}/ns/net`, "r"));
  try {
    // The id was the process's own as long as that exists, so the namespace opened under it is, too.
    pidfdSendSignal(process.fd, 0);
    setns(namespace.fd, CLONE_NEWNET);
  } catch (cause) {
    throw new NamespaceError(`the network namespace of process ${pid} cannot be entered`, { cause });
  }
  const entered = statSync("/proc/thread-self/ns/net");
  const wanted = fstatSync(namespace.fd);
  if (entered.ino !== wanted.ino || entered.dev !== wanted.dev) {
    throw new NamespaceError(`the thread is not in the network namespace of process ${pid} after entering it`);
  }
}

function held(what: string, pid: number, open: () => number): Disposable & { readonly fd: number } {
  let fd: number;
  try {
    fd = open();
  } catch (cause) {
    throw new NamespaceError(`${what} cannot be opened (process ${pid})`, { cause });
  }
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}
