// A signal when the process that started this one ends. Source of the rules: prctl(2), PR_SET_PDEATHSIG.

import { constants } from "node:os";
import { systemCall } from "./systemCall.ts";

const prctl = systemCall("prctl", "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)");

const PR_SET_PDEATHSIG = 1;

/** From now on this process gets a signal when its parent ends, however that ends. Call it on the main thread. */
export function endWithParent(signal: "SIGTERM" | "SIGKILL"): void {
  prctl.sync(PR_SET_PDEATHSIG, constants.signals[signal], 0, 0, 0);
}
