// Failures of single files, among many: each is told, the work goes on, and the exit code remembers.

import { FileError } from "@understudy/client";
import { EXIT_FAILED } from "../exitCodes.ts";
import { failureText } from "../failureText.ts";
import { printable } from "../output.ts";

export class Failures {
  readonly #note: (text: string) => void;
  #count = 0;

  /** `note` gets one printable line for each failure. */
  constructor(note: (text: string) => void) {
    this.#note = note;
  }

  get exitCode(): number {
    return this.#count === 0 ? 0 : EXIT_FAILED;
  }

  /** @throws `error` when it is not of one file: when the session is over, say. */
  add(path: string, error: unknown): void {
    if (!(error instanceof FileError) && !isOfThisMachine(error)) throw error;
    if (error instanceof FileError && error.code === "EISDIR") return this.tell(`${path} is a directory`);
    const text = failureText(error);
    // Requests of an open file do not name it.
    this.tell(text.includes(path) ? text : `${path}: ${text}`);
  }

  /** A failure that is no error of a call. */
  tell(text: string): void {
    this.#count += 1;
    this.#note(printable(text));
  }
}

/** Of a system call of this program; a connection's errors have no path and are not of one file. */
function isOfThisMachine(error: unknown): boolean {
  return (
    error instanceof Error &&
    "syscall" in error &&
    ("path" in error || ["read", "write", "fsync", "futime"].includes(String(error.syscall)))
  );
}
