// Ending the process at once. `process.exit` first waits for the threads of libuv's pool, and a call that is stuck in a dead file system
// holds one for ever.

import { systemCall } from "./systemCall.ts";

const call = systemCall("_exit", "void _exit(int code)");

/**
 * Ends the process without waiting for anything (_exit(2)); what was not written is lost. A thread that the kernel cannot interrupt keeps
 * the process from vanishing all the same, but nothing of it runs any more.
 */
export function exitNow(code: number): never {
  call.sync(code);
  throw new Error("_exit returned");
}
