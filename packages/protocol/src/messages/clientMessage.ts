// Everything a client sends.

import type { Infer } from "../codec.ts";
import { since, union } from "../composites.ts";
import { bool, bytes, checkedText, text, u128 } from "../primitives.ts";
import { versionProblem } from "../semver.ts";
import { FileRequest } from "./files.ts";
import { LayerTcp, LayerTcpSteal } from "./incoming.ts";
import { GetAddrInfoRequest, GetAddrInfoRequestV2, GetEnvVarsRequest, ReverseDnsLookupRequest } from "./names.ts";
import { LayerSeqpacket, LayerTcpOutgoing, LayerUdpOutgoing } from "./outgoing.ts";

/** A semantic version, such as `1.29.0`. */
export const SemverVersion = checkedText("semver", versionProblem);

/** An experiment that agents refuse. */
export const ClientVpn = union("ClientVpn", { getNetworkConfiguration: null, openSocket: null, packet: bytes });
export type ClientVpn = Infer<typeof ClientVpn>;

/** Keys of share links; sent by operators. */
export const ShareLinkRequest = union("ShareLinkRequest", { registerKey: text, removeKey: text });
export type ShareLinkRequest = Infer<typeof ShareLinkRequest>;

export const ClientMessage = union("ClientMessage", {
  /** Ends the session. */
  close: null,
  tcp: LayerTcp,
  tcpSteal: LayerTcpSteal,
  tcpOutgoing: LayerTcpOutgoing,
  udpOutgoing: LayerUdpOutgoing,
  fileRequest: FileRequest,
  getEnvVarsRequest: GetEnvVarsRequest,
  ping: null,
  getAddrInfoRequest: GetAddrInfoRequest,
  /** Abandoned; agents refuse it. */
  pauseTargetRequest: bool,
  /** The version the client speaks; the agent answers with the lower of both. */
  switchProtocolVersion: SemverVersion,
  /** From here on the agent may send `logMessage`. */
  readyForLogs: since("1.3.1", null),
  vpn: ClientVpn,
  getAddrInfoRequestV2: since("1.15.0", GetAddrInfoRequestV2),
  operatorPong: since("1.19.8", u128),
  reverseDnsLookup: since("1.25.0", ReverseDnsLookupRequest),
  seqpacketOutgoing: since("1.27.0", LayerSeqpacket),
  shareLink: since("1.29.0", ShareLinkRequest),
});
export type ClientMessage = Infer<typeof ClientMessage>;
