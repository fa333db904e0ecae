// The failure of one file request, with what Node's own errors of files have.

import type { ResponseError } from "@understudy/protocol";
import { AgentError } from "../errors.ts";
import { errnoName } from "../responseErrorText.ts";

/** What was asked for. */
export interface FileCall {
  /** As Node names it: `open`, `read`, `scandir`, `stat`, … */
  readonly syscall: string;
  readonly path?: string;
  /** The new name of a rename. */
  readonly dest?: string;
}

/**
 * The agent refused a file request. `code`, `syscall`, `path` and `dest` are as in Node's errors of files; `errno` is the Linux number,
 * positive as in every `AgentError`, where Node has it negative.
 */
export class FileError extends AgentError {
  override readonly code: string | null;
  readonly syscall: string;
  readonly path: string | undefined;
  readonly dest: string | undefined;

  constructor({ syscall, path, dest }: FileCall, response: ResponseError) {
    super([syscall, path, dest === undefined ? undefined : `to ${dest}`].filter((part) => part !== undefined).join(" "), response);
    this.code = codeOf(response);
    this.syscall = syscall;
    this.path = path;
    this.dest = dest;
  }
}

/** What an agent says of a descriptor without a system call has the code that the system call would have given. */
function codeOf(response: ResponseError): string | null {
  switch (response.kind) {
    case "notFile":
      return "EISDIR";
    case "notDirectory":
      return "ENOTDIR";
    case "notFound":
      return "EBADF";
    default:
      return response.kind === "remoteIO" && response.value.rawOsError !== null ? errnoName(response.value.rawOsError) : null;
  }
}
