// A dispatcher of undici, for its `fetch`, `request` and `stream`, whose connections the agent makes. undici is an optional dependency of whoever uses
// this, and loaded when it is called.

import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type * as Undici from "undici";
import type { Agent, buildConnector } from "undici";
import { connectHost, connectUnix } from "./connectHost.ts";
import type { SessionSource } from "./sessionSource.ts";
import type { TcpConnection } from "./tcpConnection.ts";

export interface DispatcherOptions {
  /** Options of undici's `Agent`. */
  readonly agent?: Omit<Agent.Options, "connect" | "factory">;
  /** TLS of `https:`, such as `ca` and `rejectUnauthorized`. */
  readonly tls?: Omit<ConnectionOptions, "host" | "port" | "path" | "socket" | "timeout">;
  /** How long connecting may take, and TLS after it. Default 10,000; 0 for no limit. */
  readonly connectTimeoutMs?: number;
  /** A unix socket of the target that all connections go to. */
  readonly socketPath?: string;
  /** Ends connects that wait. The dispatcher itself ends by its `close` or `destroy`. */
  readonly signal?: AbortSignal | undefined;
}

const CONNECT_MAX_MS = 10_000;

/**
 * A dispatcher for the undici that is installed; Node's own `fetch` may have another version, so use it with the `fetch` of undici.
 * Names are looked up by the target. The caller closes it.
 * @throws Error when undici is not installed.
 */
export async function dispatcher(source: SessionSource, options: DispatcherOptions = {}): Promise<Agent> {
  const undici = await loadUndici();
  const { allowH2 } = options.agent ?? {};
  const timeout = options.connectTimeoutMs ?? CONNECT_MAX_MS;
  const connectTls = undici.buildConnector({ ...options.tls, timeout, ...(allowH2 === undefined ? {} : { allowH2 }) });
  const connectTarget = connector(source, options);
  return new undici.Agent({
    ...options.agent,
    connect: (target, onConnection) => {
      connectTarget(target).then(
        (connection) => {
          // Of a socket only what a connection has is used; the type asks for all of it.
          const socket = connection as unknown as Socket;
          if (target.protocol === "https:") connectTls({ ...target, httpSocket: socket }, onConnection);
          else onConnection(null, socket);
        },
        (error: unknown) => onConnection(error instanceof Error ? error : new Error(String(error)), null),
      );
    },
  });
}

async function loadUndici(): Promise<typeof Undici> {
  try {
    return await import("undici");
  } catch (cause) {
    throw new Error("the package undici, version 7 or newer, is needed for a dispatcher and cannot be loaded: npm install undici", {
      cause,
    });
  }
}

function connector(
  source: SessionSource,
  { connectTimeoutMs: limitMs = CONNECT_MAX_MS, socketPath, signal }: DispatcherOptions,
): (target: buildConnector.Options) => Promise<TcpConnection> {
  return async ({ hostname, port, protocol }) => {
    const late = new AbortController();
    const timer =
      limitMs > 0 ? setTimeout(() => late.abort(new Error(`no connection to ${hostname} within ${limitMs} ms`)), limitMs) : undefined;
    const ended = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    try {
      if (socketPath !== undefined) return await connectUnix(source, socketPath, { signal: ended });
      const defaultPort = protocol === "https:" ? 443 : 80;
      return await connectHost(source, { host: hostname, port: port === "" ? defaultPort : Number(port) }, { signal: ended });
    } finally {
      clearTimeout(timer);
    }
  };
}
