// Memory that the process has freed. The C library keeps what lies between pieces that are still used.

import { systemCall } from "./systemCall.ts";

const trim = systemCall("malloc_trim", "int malloc_trim(size_t pad)");

/** Gives whole pages of it back to the system (malloc_trim(3)). Half a millisecond where there is much of it, a twentieth where there is nothing. */
export function giveBackFreedMemory(): void {
  trim.sync(0);
}
