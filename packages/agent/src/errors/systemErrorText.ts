// What a session's user reads of a failed system call: the system's own sentence and its number, as other programs show it.

import { getSystemErrorMessage } from "node:util";
import { errnoOf } from "./remoteError.ts";

/** `Connection reset by peer (os error 104)`; the error's own message when no system call failed. */
export function systemErrorText(error: Error): string {
  const errno = errnoOf(error);
  if (errno === null) return error.message;
  const sentence = getSystemErrorMessage(-errno) ?? "Unknown error";
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)} (os error ${errno})`;
}
