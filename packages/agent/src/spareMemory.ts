// What the C library keeps of freed memory goes back to the system from time to time. Of what 25 sessions took that read 1 MiB pieces at once, 8 MiB stayed
// otherwise, in a pod that has 100.

import { giveBackFreedMemory } from "@understudy/native";
import type { CurrentWork } from "./task/currentWork.ts";

const EVERY_MS = 250;

/** Until the result is disposed of. */
export function giveBackSpareMemory(work: CurrentWork): Disposable {
  const timer = setInterval(() => {
    work.begin("giving freed memory back");
    giveBackFreedMemory();
  }, EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
