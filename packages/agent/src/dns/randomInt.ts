// Numbers that nobody can guess. The first one loads `node:crypto`: 5 ms and a megabyte that an agent does not need before its first look-up.

import { getBuiltinModule } from "node:process";

/** A whole number from 0 to below `end`. */
export function randomInt(end: number): number {
  return getBuiltinModule("node:crypto").randomInt(end);
}
