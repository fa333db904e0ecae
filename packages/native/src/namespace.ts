// Entering namespaces and holding on to processes by descriptor. It opens no namespace files and decides nothing about
// which process is meant.

import { systemCall } from "./systemCall.ts";

/** `nstype` of a network namespace (sched.h). */
export const CLONE_NEWNET = 0x40000000;

const setnsCall = systemCall("setns", "int setns(int fd, int nstype)");
const pidfdOpenCall = systemCall("pidfd_open", "int64_t syscall(int64_t number, int64_t pid, int64_t flags)");
const pidfdSendSignalCall = systemCall(
  "pidfd_send_signal",
  "int64_t syscall(int64_t number, int64_t pidfd, int64_t signal, void *info, int64_t flags)",
);

// The numbers of newer system calls are the same on all architectures.
const SYS_pidfd_send_signal = 424;
const SYS_pidfd_open = 434;

/**
 * Moves the calling thread, and no other, into a namespace (setns(2)). Sockets stay where they were made; new sockets,
 * child processes, and pool threads that libuv has yet to start follow the thread. Synchronous, does not wait.
 *
 * @param fd descriptor of a namespace file (`/proc/<pid>/ns/net`) or a pidfd.
 * @param nstype kind that the namespace must have ({@link CLONE_NEWNET}); 0 takes any, except with a pidfd.
 * @throws SystemCallError EPERM without CAP_SYS_ADMIN, EINVAL for a descriptor of another kind, ESRCH when the process of a
 *   pidfd has ended.
 */
export function setns(fd: number, nstype: number): void {
  setnsCall.sync(fd, nstype);
}

/**
 * Opens a descriptor that stays with one process, whatever becomes of its id (pidfd_open(2), Linux 5.3). It is closed on
 * exec and becomes readable when the process ends. The caller closes it. Synchronous, does not wait.
 *
 * @throws SystemCallError ESRCH when no process has this id, EINVAL when it is a thread's.
 */
export function pidfdOpen(pid: number): number {
  return pidfdOpenCall.sync(SYS_pidfd_open, pid, 0);
}

/**
 * Sends a signal to the process of a pidfd (pidfd_send_signal(2), Linux 5.1); signal 0 only asks whether it is still there. A
 * process that has ended but was not waited for counts as there: its id cannot have been given to another yet.
 *
 * @throws SystemCallError ESRCH when the process is gone, EPERM without the right to signal it.
 */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  pidfdSendSignalCall.sync(SYS_pidfd_send_signal, pidfd, signal, null, 0);
}
