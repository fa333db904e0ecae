// Everything an agent sends.

import type { Infer } from "../codec.ts";
import { result, since, struct, union } from "../composites.ts";
import { ipAddr } from "../netAddress.ts";
import { bool, bytes, text, u128 } from "../primitives.ts";
import { SemverVersion } from "./clientMessage.ts";
import { LogMessage } from "./common.ts";
import { ResponseError } from "./errors.ts";
import { FileResponse } from "./files.ts";
import { DaemonTcp } from "./incoming.ts";
import { GetAddrInfoResponse, RemoteEnvVars, ReverseDnsLookupResponse } from "./names.ts";
import { DaemonSeqpacket, DaemonTcpOutgoing, DaemonUdpOutgoing } from "./outgoing.ts";

/** Abandoned; never sent. */
export const DaemonPauseTarget = union("DaemonPauseTarget", { pauseResponse: struct({ changed: bool, containerPaused: bool }) });
export type DaemonPauseTarget = Infer<typeof DaemonPauseTarget>;

export const NetworkConfiguration = struct({ ip: ipAddr, netMask: ipAddr, gateway: ipAddr });
export type NetworkConfiguration = Infer<typeof NetworkConfiguration>;
/** An experiment; never sent by agents of this version. */
export const ServerVpn = union("ServerVpn", { networkConfiguration: NetworkConfiguration, packet: bytes });
export type ServerVpn = Infer<typeof ServerVpn>;

export const DaemonMessage = union("DaemonMessage", {
  /** Why the session ends; clients leave when they get it. */
  close: text,
  tcp: DaemonTcp,
  tcpSteal: DaemonTcp,
  tcpOutgoing: DaemonTcpOutgoing,
  udpOutgoing: DaemonUdpOutgoing,
  logMessage: LogMessage,
  file: FileResponse,
  pong: null,
  getEnvVarsResponse: result(RemoteEnvVars, ResponseError),
  getAddrInfoResponse: GetAddrInfoResponse,
  pauseTarget: DaemonPauseTarget,
  switchProtocolVersionResponse: SemverVersion,
  vpn: ServerVpn,
  /** From operators only. */
  operatorPing: since("1.19.8", u128),
  reverseDnsLookup: since("1.25.0", result(ReverseDnsLookupResponse, ResponseError)),
  seqpacketOutgoing: since("1.27.0", DaemonSeqpacket),
});
export type DaemonMessage = Infer<typeof DaemonMessage>;
