// The answer to one request that failed. It goes to the session that asked and to nobody else; the log sees it at debug only.

import type { ErrorKindInternal, ResponseError } from "@understudy/protocol";
import { errorKind } from "./errorKind.ts";

/** Thrown by domains for what a session caused or can be told. `response` is what goes on the wire. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  readonly response: ResponseError;

  constructor(message: string, response: ResponseError, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.response = response;
  }
}

/** A failed system call. `what` says which, for the log. */
export function remoteIoError(errno: number, what: string, cause?: unknown): RemoteError {
  return new RemoteError(`${what}: errno ${errno}`, { kind: "remoteIO", value: { rawOsError: errno, kind: errorKind(errno) } }, { cause });
}

/** A failure that no system call reported: there is a kind, but no errno. */
export function remoteKindError(kind: ErrorKindInternal, what: string, cause?: unknown): RemoteError {
  return new RemoteError(what, { kind: "remoteIO", value: { rawOsError: null, kind } }, { cause });
}

/** What to answer for any failure: its own answer, the errno of a Node error, or `other`. */
export function toResponseError(error: unknown): ResponseError {
  if (error instanceof RemoteError) return error.response;
  const errno = errnoOf(error);
  if (errno !== null) return { kind: "remoteIO", value: { rawOsError: errno, kind: errorKind(errno) } };
  return { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "other" } } };
}

/** The positive Linux errno that an error of Node or of a system call carries; null when it has none. */
export function errnoOf(error: unknown): number | null {
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") return null;
  const errno = Math.abs(error.errno);
  // Numbers above are libuv's own, such as its resolver's.
  return errno > 0 && errno < 1000 ? errno : null;
}
