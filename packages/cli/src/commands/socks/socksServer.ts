// A SOCKS server on this machine. What its clients ask for is connected by the agent, from the target's network, and names are looked up there.

import type { Socket } from "node:net";
import { SessionClosedError, type outgoing, type TcpConnection } from "@understudy/client";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { connectTo } from "../../proxy/destination.ts";
import { LocalServer } from "../../proxy/localServer.ts";
import { relay, relayServer, whileOpen } from "../../proxy/relay.ts";
import type { TrafficReport } from "../../proxy/trafficReport.ts";
import { type Credentials, handshake, SocketBytes, type SocksRequest } from "./socksHandshake.ts";
import { reply, replyMessage, SocksError } from "./socksMessages.ts";
import { replyFor } from "./socksReply.ts";
import { associate } from "./udpAssociation.ts";

export interface SocksServerOptions {
  readonly source: outgoing.SessionSource;
  readonly report: TrafficReport;
  readonly stopped: AbortSignal;
  /** What clients must give; null where everybody may. */
  readonly credentials: Credentials | null;
  /** How long a client may take to say what it wants. Default 10,000. */
  readonly handshakeMaxMs?: number;
}

/** Listens; the caller owns the server. */
export async function startSocksServer(at: HostPort, options: SocksServerOptions): Promise<LocalServer> {
  return await LocalServer.listen(
    relayServer((socket) => void serveClient(socket, options)),
    at,
  );
}

/** Never rejects. */
async function serveClient(socket: Socket, options: SocksServerOptions): Promise<void> {
  const { report, stopped } = options;
  const startedAtMs = performance.now();
  const from = formatHostPort({ host: socket.remoteAddress ?? "?", port: socket.remotePort ?? 0 });
  const open = whileOpen(socket, stopped);
  let to: string | null = null;
  let error: unknown = null;
  let before = { read: 0, written: 0 };
  // Told by `relay`, or of no interest: nobody waits for the answer.
  socket.on("error", () => undefined);
  try {
    const request = await requestOf(socket, open, options);
    to = formatHostPort(request.to);
    // Its datagrams have lines of their own.
    if (request.kind === "udpAssociate") return await associate(socket, request.to, open, options);
    const connection = await connect(socket, request, open, options);
    before = { read: socket.bytesRead - socket.readableLength, written: socket.bytesWritten };
    await relay(socket, connection);
  } catch (thrown) {
    error = thrown;
    end(socket);
  }
  if (stopped.aborted) error = null;
  const sent = socket.bytesRead - before.read;
  report.ended({
    transport: "tcp",
    from,
    to,
    sent: to === null ? 0 : sent,
    received: socket.bytesWritten - before.written,
    startedAtMs,
    error,
  });
}

async function requestOf(
  socket: Socket,
  open: AbortSignal,
  { credentials, handshakeMaxMs = 10_000 }: SocksServerOptions,
): Promise<SocksRequest> {
  const late = setTimeout(() => socket.destroy(), handshakeMaxMs);
  using bytes = new SocketBytes(socket, open);
  try {
    return await handshake(socket, bytes.take, credentials);
  } catch (error) {
    if (error instanceof SocksError && error.reply !== null) socket.write(replyMessage(error.reply));
    if (socket.destroyed) throw new SocksError(`the client did not say within ${handshakeMaxMs / 1000} s what it wants, or left`);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

async function connect(socket: Socket, { to }: SocksRequest, open: AbortSignal, { source }: SocksServerOptions): Promise<TcpConnection> {
  try {
    const connection = await connectTo(source, { kind: "host", address: to }, open);
    const { agentAddress } = connection;
    socket.write(replyMessage(reply.succeeded, agentAddress.kind === "ip" ? hostPort(agentAddress.value) : undefined));
    return connection;
  } catch (error) {
    socket.write(replyMessage(error instanceof SessionClosedError ? reply.generalFailure : replyFor(error)));
    throw error;
  }
}

function hostPort({ ip, port }: { readonly ip: string; readonly port: number }): HostPort {
  return { host: ip, port };
}

/** Lets what was written arrive. A client that does not go away then is left. */
function end(socket: Socket): void {
  socket.resume();
  socket.end();
  socket.setTimeout(1_000, () => socket.destroy());
  socket.once("end", () => socket.destroySoon());
}
