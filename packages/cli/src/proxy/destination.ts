// Where a connection of this machine is to go in the target's network, and how it gets there.

import { outgoing, type TcpConnection } from "@understudy/client";
import { formatHostPort, type HostPort } from "../hostPort.ts";

/** A port of a host as the target sees it, or a unix socket of the target. */
export type Destination =
  | { readonly kind: "host"; readonly address: HostPort }
  /** A path of the target. */
  | { readonly kind: "unix"; readonly path: string };

/** How long a connection may take to be made, looking up the name and waiting for a new session included. */
const CONNECT_MAX_MS = 30_000;

export function destinationText(destination: Destination): string {
  return destination.kind === "unix" ? `unix:${destination.path}` : formatHostPort(destination.address);
}

/** A connection made by the agent; the caller's. Rejects as the agent says, when it takes too long, or when `signal` aborts. */
export async function connectTo(source: outgoing.SessionSource, destination: Destination, signal: AbortSignal): Promise<TcpConnection> {
  return await withTimeLimit(destinationText(destination), signal, async (limited) => {
    if (destination.kind === "host") return await outgoing.connectHost(source, destination.address, { signal: limited });
    return await outgoing.connectUnix(source, destination.path, { signal: limited });
  });
}

/** Runs `connect` with a signal that aborts when it takes too long, too. */
export async function withTimeLimit<T>(to: string, signal: AbortSignal, connect: (limited: AbortSignal) => Promise<T>): Promise<T> {
  const limited = new AbortController();
  const onAbort = (): void => limited.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const late = (): void => limited.abort(new ConnectTimeoutError(`no connection to ${to} within ${CONNECT_MAX_MS / 1000} s`));
  const timer = setTimeout(late, CONNECT_MAX_MS);
  try {
    return await connect(limited.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

export class ConnectTimeoutError extends Error {
  override readonly name = "ConnectTimeoutError";
}
