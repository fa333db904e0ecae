// A connection that arrived for the target and was redirected to the agent.

import type { IncomingTrafficTransportType, SocketAddr } from "@understudy/protocol";
import type { TargetSide } from "./tls/tlsPort.ts";

export interface Arrival {
  /** Who connected. */
  readonly peer: SocketAddr;
  /** What the peer connected to. Its port decides who is concerned. */
  readonly original: SocketAddr;
  /** Address on which the agent accepted it. */
  readonly agentIp: string;
  /** Null for a connection without TLS. Of one with it, everybody but its two ends sees what is inside. */
  readonly tls: ArrivalTls | null;
}

export interface ArrivalTls {
  /** The protocol that was negotiated, if any. */
  readonly alpn: string | null;
  /** The name that the peer asked for, if any. */
  readonly serverName: string | null;
  /** For connections to the target, which gets TLS, too. */
  readonly toTarget: TargetSide;
}

/** How a client hears of it. */
export function transportOf({ tls }: Arrival): IncomingTrafficTransportType {
  if (tls === null) return { kind: "tcp" };
  const { alpn, serverName } = tls;
  return { kind: "tls", value: { alpnProtocol: alpn === null ? null : Buffer.from(alpn, "latin1"), serverName } };
}
