// How often the calling thread gave the processor up, from getrusage(2).

import { systemCall } from "./systemCall.ts";

const getrusage = systemCall("getrusage", "int getrusage(int who, void *usage)");

const RUSAGE_THREAD = 1;
const RUSAGE_BYTES = 144;
const RU_NVCSW = 128;
const usage = new DataView(new ArrayBuffer(RUSAGE_BYTES));
const usageBytes = new Uint8Array(usage.buffer);

/** How often this thread has waited for something, modulo 2^32. Having to share the processor does not count. Takes about a microsecond. */
export function waitsSoFar(): number {
  getrusage.sync(RUSAGE_THREAD, usageBytes);
  return usage.getUint32(RU_NVCSW, true);
}
