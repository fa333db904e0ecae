// A process that is meant and no other, although ids are used again: its directory in /proc is held open. Everything looked up through that descriptor is
// that process's, or fails with ESRCH once it has ended.

import { closeSync, constants, openSync, statSync } from "node:fs";
import { pidfdOpen, SystemCallError, ENOSYS, O_PATH } from "@understudy/native";

/** A process that is held. Disposing it closes the descriptors, nothing else. */
export class HeldProcess implements Disposable {
  readonly pid: number;
  /** The process's directory in /proc, good as long as it is held; "/proc/self" of a thread pool is the same. */
  readonly path: string;
  /** Readable when the process has ended; null before Linux 5.3, which has none. */
  readonly pidfd: number | null;
  readonly #directory: number;
  #isClosed = false;

  /** Synchronous: it is meant for the time before serving. @throws when there is no such process. */
  constructor(pid: number) {
    this.pid = pid;
    this.#directory = openSync(`/proc/${pid}`, O_PATH | constants.O_DIRECTORY);
    this.path = `/proc/self/fd/${this.#directory}`;
    try {
      this.pidfd = openPidfd(pid);
      // The id was this process's when the second descriptor was opened: so both are of the same.
      if (!this.isThere) throw new Error(`process ${pid} has ended`);
    } catch (error) {
      closeSync(this.#directory);
      throw error;
    }
  }

  /** Whether the process is there, also one that has ended but was not waited for. */
  get isThere(): boolean {
    try {
      statSync(`${this.path}/stat`);
      return true;
    } catch {
      // ESRCH: nothing else can be wrong with it.
      return false;
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#directory);
    if (this.pidfd !== null) closeSync(this.pidfd);
  }
}

function openPidfd(pid: number): number | null {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === ENOSYS) return null;
    throw error;
  }
}
