// What each command is given when it adds itself to the program.

import type { Output } from "./output.ts";

export interface CommandContext {
  readonly output: Output;
  /** Called once by a command that ran, with the exit code of the process. */
  readonly exitWith: (code: number) => void;
}
