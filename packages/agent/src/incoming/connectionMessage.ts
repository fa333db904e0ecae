// How a client hears of a raw connection.

import type { DaemonTcp } from "@understudy/protocol";
import type { SessionLink } from "../link/sessionLink.ts";
import { type Arrival, transportOf } from "./arrival.ts";

export function connectionMessage(link: SessionLink, connectionId: number, arrival: Arrival): DaemonTcp {
  const connection = {
    connectionId,
    remoteAddress: arrival.peer.ip,
    destinationPort: arrival.original.port,
    sourcePort: arrival.peer.port,
    localAddress: arrival.agentIp,
  };
  if (!link.allows("modeAgnosticHttpRequests")) return { kind: "newConnectionV1", value: connection };
  return { kind: "newConnectionV2", value: { connection, transport: transportOf(arrival) } };
}
