// Why a connection was not made, as the reply codes of SOCKS tell it.

import { AgentError } from "@understudy/client";
import { ConnectTimeoutError } from "../../proxy/destination.ts";
import { type Reply, reply, SocksError } from "./socksMessages.ts";

const byErrno: Readonly<Record<string, Reply>> = {
  ECONNREFUSED: reply.connectionRefused,
  ENETUNREACH: reply.networkUnreachable,
  ENETDOWN: reply.networkUnreachable,
  EHOSTUNREACH: reply.hostUnreachable,
  EHOSTDOWN: reply.hostUnreachable,
  EADDRNOTAVAIL: reply.hostUnreachable,
  EACCES: reply.notAllowed,
  EPERM: reply.notAllowed,
  ETIMEDOUT: reply.ttlExpired,
};

export function replyFor(error: unknown): Reply {
  if (error instanceof SocksError) return error.reply ?? reply.generalFailure;
  if (error instanceof ConnectTimeoutError) return reply.ttlExpired;
  if (!(error instanceof AgentError)) return reply.generalFailure;
  switch (error.response.kind) {
    case "dnsLookup":
      // There is no code for a name that does not exist; clients take this one so.
      return reply.hostUnreachable;
    case "forbidden":
    case "forbiddenWithReason":
      return reply.notAllowed;
    case "remote":
      return error.response.value.kind === "connectTimedOut" ? reply.ttlExpired : reply.generalFailure;
    case "remoteIO":
      if (error.code === null) return error.response.value.kind.kind === "timedOut" ? reply.ttlExpired : reply.generalFailure;
      return byErrno[error.code] ?? reply.generalFailure;
    default:
      return reply.generalFailure;
  }
}
