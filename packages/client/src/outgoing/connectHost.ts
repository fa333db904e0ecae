// Connections to hosts by their names. The target looks them up; when a name has several addresses they are tried as RFC 8305 says: the next one when
// one has failed or had its head start, and the first that connects is taken.

import type { DatagramConnection } from "./datagramConnection.ts";
import { hostAddresses } from "./names.ts";
import type { ConnectOptions } from "./outgoing.ts";
import { type SessionSource, withCurrentSession } from "./sessionSource.ts";
import type { TcpConnection } from "./tcpConnection.ts";

/** `host` is a name as the target knows it or an IP address, an IPv6 address with or without brackets. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** RFC 8305, section 5. */
const HEAD_START_MS = 250;
/** Most addresses of a name that are tried. */
const ADDRESSES_MAX = 8;

/**
 * A TCP connection to a port of a host. The caller owns it.
 * @throws AgentError when the name has no addresses or none of them connects; then it is the error of the first.
 */
export async function connectHost(
  source: SessionSource,
  { host, port }: HostAddress,
  { signal }: ConnectOptions = {},
): Promise<TcpConnection> {
  return await withCurrentSession(source, signal, async (session) => {
    const addresses = await hostAddresses(session, host, signal);
    return await connectFirst(addresses, signal, (ip, attempt) => session.connectTcp({ ip, port }, { signal: attempt }));
  });
}

/** A stream connection to a unix socket of the target. The caller owns it. */
export async function connectUnix(source: SessionSource, path: string, { signal }: ConnectOptions = {}): Promise<TcpConnection> {
  return await withCurrentSession(source, signal, (session) => session.connectTcp({ path }, { signal }));
}

/** A connected UDP socket for a port of a host, whose first address is taken. The caller owns it. */
export async function connectUdpHost(
  source: SessionSource,
  { host, port }: HostAddress,
  { signal }: ConnectOptions = {},
): Promise<DatagramConnection> {
  return await withCurrentSession(source, signal, async (session) => {
    const [ip = ""] = await hostAddresses(session, host, signal);
    return await session.connectUdp({ ip, port }, { signal });
  });
}

async function connectFirst(
  addresses: readonly string[],
  signal: AbortSignal | undefined,
  connect: (ip: string, attempt: AbortSignal) => Promise<TcpConnection>,
): Promise<TcpConnection> {
  const tried = addresses.slice(0, ADDRESSES_MAX);
  const over = new AbortController();
  const attempt = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<TcpConnection>();
  const errors: unknown[] = [];
  let started = 0;
  let timer: NodeJS.Timeout | undefined;
  const tryNext = (): void => {
    clearTimeout(timer);
    const ip = tried[started];
    if (ip === undefined || over.signal.aborted) return;
    const place = started++;
    timer = setTimeout(tryNext, HEAD_START_MS);
    connect(ip, attempt).then(
      (connection) => {
        // The other attempts end, and one that has just succeeded, too, is not needed.
        if (over.signal.aborted) connection.destroy();
        else resolve(connection);
        over.abort();
      },
      (error: unknown) => {
        errors[place] = error;
        if (Object.keys(errors).length === tried.length || attempt.aborted) reject(errors.find((one) => one !== undefined));
        else tryNext();
      },
    );
  };
  tryNext();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
