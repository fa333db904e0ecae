// The sockets that redirected connections arrive at: one for each family, on any address, at a port that the kernel chooses. A
// connection is handed over with the destination that its peer asked for; what came to the listener's own port is dropped.

import { once } from "node:events";
import net from "node:net";
import { originalDestination } from "@understudy/native";
import type { SocketAddr } from "@understudy/protocol";
import type { Log } from "../../log/log.ts";
import { type AcceptedHandle, type Acceptor, acceptHandles, unmapped } from "../../socket/acceptHandles.ts";
import type { ListenerPorts } from "./nftRules.ts";

/** A connection that was redirected to the agent. Whoever gets it calls `open` or `drop`, once. */
export interface RedirectedConnection {
  /** Who connected. */
  readonly peer: SocketAddr;
  /** Where to: address and port before the redirect. */
  readonly original: SocketAddr;
  /** Address of the agent's end, without its port, which means nothing to others. */
  readonly agentIp: string;
  /** Takes the connection as a socket for half-open use, with TCP_NODELAY, which reads at once. */
  open(options?: { readonly onread?: net.OnReadOpts }): net.Socket;
  /** Drops it with a reset. */
  drop(): void;
}

/** Both listeners. Disposing closes them; connections that were handed over live on. */
export interface RedirectListener extends Disposable {
  readonly ports: ListenerPorts;
}

export interface RedirectListenerOptions {
  readonly onConnection: (connection: RedirectedConnection) => void;
  readonly log: Log;
}

/** Connections that the kernel keeps until they are accepted, as far as `net.core.somaxconn` allows. */
const backlog = 4096;

/**
 * Listens in the network namespace of the calling thread. A family that is not available there is left out.
 *
 * @throws the error of listen(2) when neither is available.
 */
export async function listenForRedirects({ onConnection, log }: RedirectListenerOptions): Promise<RedirectListener> {
  using opened = new DisposableStack();
  const ports = { ipv4: null as number | null, ipv6: null as number | null };
  const failures: unknown[] = [];
  for (const family of ["ipv4", "ipv6"] as const) {
    try {
      const acceptor = opened.use(await listen(family, onConnection, log));
      ports[family] = acceptor.port;
    } catch (error) {
      failures.push(error);
      log.debug("a family cannot be listened on for redirects", { family, error: String(error) });
    }
  }
  if (failures.length === 2) throw failures[0];
  const listeners = opened.move();
  return { ports, [Symbol.dispose]: () => listeners.dispose() };
}

async function listen(family: "ipv4" | "ipv6", onConnection: (connection: RedirectedConnection) => void, log: Log): Promise<Acceptor> {
  const server = net.createServer();
  server.listen({ host: family === "ipv4" ? "0.0.0.0" : "::", ipv6Only: family === "ipv6", port: 0, backlog });
  await once(server, "listening");
  const acceptor = acceptHandles(
    server,
    (accepted) => {
      const connection = redirectedConnection(accepted, family, acceptor.port);
      if (connection !== null) {
        onConnection(connection);
        return;
      }
      log.debug("a connection to the redirect listener was not redirected", { peer: accepted.remote.ip, port: accepted.remote.port });
      accepted.drop();
    },
    {
      paused: (error) => log.event("ACCEPT_PAUSED", { error: error.code }),
      failed: (error) => log.debug("a redirected connection failed before it was accepted", { error: error.code }),
    },
  );
  return acceptor;
}

/** Null when nothing redirected it, or the kernel has forgotten whereto it was going. */
function redirectedConnection(accepted: AcceptedHandle, family: "ipv4" | "ipv6", ownPort: number): RedirectedConnection | null {
  const original = originalDestination(accepted.fd, family === "ipv4" ? 4 : 6);
  if (original === null || original.port === ownPort) return null;
  return {
    peer: accepted.remote,
    original: unmapped(original),
    agentIp: accepted.local.ip,
    open(options) {
      const socket = accepted.open({ ...options, allowHalfOpen: true });
      socket.setNoDelay(true);
      return socket;
    },
    drop: () => accepted.drop(),
  };
}
