// The ways in which a look-up fails, as the client is told. What is what: the protocol's `DnsLookup` error.

import { RemoteError } from "../errors/remoteError.ts";

/** Why a look-up failed. Clients end their session on `permissionDenied`. */
export type LookupErrorKind =
  | { readonly kind: "message"; readonly value: string }
  | { readonly kind: "noConnections" }
  | { readonly kind: "noRecordsFound"; readonly value: number }
  | { readonly kind: "timeout" }
  | { readonly kind: "notFound" }
  | { readonly kind: "permissionDenied" };

/** Response codes that mean something here. Source: RFC 1035 section 4.1.1. */
export const responseCode = { noError: 0, nameError: 3 } as const;

const responseCodeNames = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

const ioKindTexts: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: "address in use",
  EADDRNOTAVAIL: "address not available",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  EISDIR: "is a directory",
  ENETDOWN: "network down",
  ENETUNREACH: "network unreachable",
  ENOTDIR: "not a directory",
  EPERM: "permission denied",
  EPIPE: "broken pipe",
};

/** An error of a given kind. `message` is for the debug log only, except where `kind` repeats it. */
export function lookupError(message: string, kind: LookupErrorKind, cause?: unknown): RemoteError {
  const options = cause === undefined ? {} : { cause };
  return new RemoteError(message, { kind: "dnsLookup", value: { kind } }, options);
}

/** An error that the client sees as text. */
export function lookupMessage(text: string, cause?: unknown): RemoteError {
  return lookupError(text, { kind: "message", value: text }, cause);
}

/** No answer in time. */
export function lookupTimeout(waitedFor: string): RemoteError {
  return lookupError(`no answer in time: ${waitedFor}`, { kind: "timeout" });
}

/** The servers answered, and there is no such record. */
export function noRecordsFound(code: number): RemoteError {
  return lookupError("no records found", { kind: "noRecordsFound", value: code });
}

/** A server answered that it cannot answer. */
export function serverError(code: number): RemoteError {
  return lookupMessage(`DNS server error response: ${responseCodeNames[code] ?? String(code)}`);
}

/** What a server sent makes no sense. */
export function malformedAnswer(why: string): RemoteError {
  return lookupMessage(`proto error: ${why}`);
}

/** A socket failed. Errors that already are for the client are handed on. */
export function lookupIoError(error: unknown): RemoteError {
  if (error instanceof RemoteError) return error;
  const code = systemCode(error);
  if (code === "ETIMEDOUT") return lookupTimeout("socket");
  return lookupMessage(`io error: ${ioKindTexts[code] ?? "other error"}`, error);
}

/** A resolver file of the target could not be read. */
export function lookupFileError(error: unknown): RemoteError {
  const code = systemCode(error);
  if (code === "ENOENT") return lookupError("resolver file is missing", { kind: "notFound" }, error);
  if (code === "EACCES" || code === "EPERM") {
    return lookupError("resolver file is not readable", { kind: "permissionDenied" }, error);
  }
  return lookupMessage(`io error: ${ioKindTexts[code] ?? "other error"}`, error);
}

const codesByErrno: Readonly<Record<number, string>> = { 1: "EPERM", 2: "ENOENT", 13: "EACCES", 20: "ENOTDIR", 21: "EISDIR" };

/** The name of the system's error code, also of errors that carry the number only; "" where there is none. */
export function systemCode(error: unknown): string {
  if (error instanceof RemoteError) {
    const { response } = error;
    return response.kind === "remoteIO" ? (codesByErrno[response.value.rawOsError ?? 0] ?? "") : "";
  }
  if (typeof error !== "object" || error === null) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  // Node gives negated numbers, the kernel positive ones.
  if ("errno" in error && typeof error.errno === "number") return codesByErrno[Math.abs(error.errno)] ?? "";
  return "";
}
