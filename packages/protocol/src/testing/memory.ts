// How much memory values hold, for tests of limits. Needs Node, like all tests.

// oxlint-disable-next-line no-restricted-imports -- this folder is used by tests only
import { setFlagsFromString } from "node:v8";
// oxlint-disable-next-line no-restricted-imports -- this folder is used by tests only
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Heap and array buffers in use, in bytes, after a full collection. */
export function heldBytes(): number {
  collectGarbage();
  // oxlint-disable-next-line no-restricted-globals -- this folder is used by tests only
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
