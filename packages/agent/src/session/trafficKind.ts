// What a message's bytes count as in the metrics.

import type { ClientMessage, DaemonMessage } from "@understudy/protocol";
import type { TrafficKind } from "../metrics/metrics.ts";

const kinds: Readonly<Partial<Record<ClientMessage["kind"] | DaemonMessage["kind"], TrafficKind>>> = {
  tcp: "mirror",
  tcpSteal: "steal",
  tcpOutgoing: "tcp_outgoing",
  udpOutgoing: "udp_outgoing",
  seqpacketOutgoing: "seqpacket_outgoing",
  fileRequest: "files",
  file: "files",
  getEnvVarsRequest: "env",
  getEnvVarsResponse: "env",
  getAddrInfoRequest: "dns",
  getAddrInfoRequestV2: "dns",
  getAddrInfoResponse: "dns",
  reverseDnsLookup: "dns",
};

/** Everything that is not about one domain is control. */
export function trafficKind(message: ClientMessage | DaemonMessage): TrafficKind {
  return kinds[message.kind] ?? "control";
}
