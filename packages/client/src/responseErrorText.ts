// A failed request in words, for messages of errors.

import { constants } from "node:os";
import { formatSocketAddr, type RemoteErrorMessage, type ResponseError, type SocketAddress } from "@understudy/protocol";

/** The name of a Linux error number, such as `ENOENT`; null for a number without one. */
export function errnoName(errno: number): string | null {
  // Agents and this program both run on Linux, so the numbers are the same.
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? null;
}

/** One line; begins with the errno's name where there is one. */
export function responseErrorText(error: ResponseError): string {
  switch (error.kind) {
    case "remoteIO": {
      const { rawOsError, kind } = error.value;
      const words = kind.kind === "unknown" ? kind.value : wordsOf(kind.kind);
      return rawOsError === null ? words : `${errnoName(rawOsError) ?? `errno ${rawOsError}`} (${words})`;
    }
    case "dnsLookup": {
      const { kind } = error.value;
      if (kind.kind === "noRecordsFound") return `no records found (response code ${kind.value})`;
      return kind.kind === "message" ? kind.value : wordsOf(kind.kind);
    }
    case "remote":
      return remoteText(error.value);
    case "notFound":
    case "notDirectory":
    case "notFile":
      return `${wordsOf(error.kind)}: ${String(error.value)}`;
    case "portAlreadyStolen":
      return `port ${error.value} is already stolen`;
    case "idsExhausted":
      return `no ids left: ${error.value}`;
    case "stripPrefix":
      return `path outside its root: ${error.value}`;
    case "forbidden":
    case "forbiddenWithReason": {
      const { policyName } = error.value;
      const reason = error.kind === "forbiddenWithReason" ? `: ${error.value.reason}` : "";
      return `forbidden by ${policyName === null ? "a policy" : `policy ${policyName}`}${reason}`;
    }
    case "systemFailure":
      return `system failure ${error.value.code}: ${error.value.message}`;
    case "notImplemented":
    case "openLocal":
      return wordsOf(error.kind);
  }
}

function remoteText(error: RemoteErrorMessage): string {
  switch (error.kind) {
    case "connectTimedOut":
    case "invalidAddress":
      return `${wordsOf(error.kind)}: ${addressText(error.value)}`;
    case "badHttpFilterRegex":
    case "badHttpFilterExRegex":
      return `bad HTTP filter: ${error.value[1]}`;
    case "addressParsing":
      return `${wordsOf(error.kind)}: ${error.value}`;
    case "nameserverNotFound":
      return wordsOf(error.kind);
  }
}

/** `10.0.0.1:80`, or the path of a unix socket; abstract names with a leading `@`. */
export function addressText(address: SocketAddress): string {
  if (address.kind === "ip") return formatSocketAddr(address.value);
  const unix = address.value;
  switch (unix.kind) {
    case "pathname":
      return unix.value;
    case "abstract":
      return `@${Buffer.from(unix.value).toString()}`;
    case "unnamed":
      return "(unnamed)";
  }
}

function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
