// Connects to an IP address from the target's network. No name is ever looked up here.

import { connect as connectSocket, isIP, isIPv6, type TcpNetConnectOpts } from "node:net";
import { ECONNREFUSED } from "@understudy/native";
import type { SocketAddr, SocketAddress } from "@understudy/protocol";
import { remoteIoError, remoteKindError } from "../errors/remoteError.ts";
import { ByteSocket } from "../socket/byteSocket.ts";
import type { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { withScope } from "./linkLocal.ts";
import type { ConnectedStream } from "./unixStream.ts";

export interface TcpConnectOptions {
  readonly timeoutMs: number;
  /** Gives up when it aborts. */
  readonly signal: AbortSignal;
  readonly buffers: ReceiveBuffers;
}

/** Rejects with the system's error, after the time-out, or when the signal aborts. Set the reader in the turn in which it resolves. */
export async function connectTcp({ ip, port }: SocketAddr, { timeoutMs, signal, buffers }: TcpConnectOptions): Promise<ConnectedStream> {
  if (port === 0) throw remoteIoError(ECONNREFUSED, "connect to port 0");
  const host = withScope(ip);
  return await new Promise((resolve, reject) => {
    const options: TcpNetConnectOpts = { host, port, family: isIP(ip), allowHalfOpen: true, noDelay: true };
    const socket = new ByteSocket((onread) => connectSocket({ ...options, onread }), buffers, {
      // The peer may speak before its connection has been announced to the client.
      bytes: () => false,
      closed: (error) => {
        settle();
        reject(error ?? remoteKindError({ kind: "connectionAborted" }, "connect was given up"));
      },
    });
    // Nothing is read before the reader of the finished connection is there, so that no byte is lost.
    socket.pause();
    const giveUp = (error: Error): void => {
      settle();
      reject(error);
      socket.destroy();
    };
    const onAbort = (): void => giveUp(remoteKindError({ kind: "connectionAborted" }, "session ended"));
    const timer = setTimeout(() => giveUp(remoteKindError({ kind: "timedOut" }, "connect timed out")), timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    socket.socket.once("connect", () => {
      settle();
      resolve({ socket, ...addresses(socket, { ip, port }) });
    });
  });
}

function addresses({ socket }: ByteSocket, asked: SocketAddr): { remoteAddress: SocketAddress; localAddress: SocketAddress } {
  // Only from an unspecified address the system makes another; else asking it would cost a system call for what is known.
  const remote = isUnspecified(asked.ip) ? { ip: plainIp(socket.remoteAddress), port: asked.port } : asked;
  return {
    remoteAddress: { kind: "ip", value: remote },
    localAddress: { kind: "ip", value: { ip: plainIp(socket.localAddress), port: socket.localPort ?? 0 } },
  };
}

function isUnspecified(ip: string): boolean {
  return ip === "0.0.0.0" || ip === "::";
}

/** Without a scope, which the wire cannot express. */
function plainIp(text = ""): string {
  const ip = text.split("%")[0]!;
  return isIP(ip) === 0 ? "0.0.0.0" : isIPv6(ip) ? ip.toLowerCase() : ip;
}
