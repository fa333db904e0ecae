// What the version of a peer allows. A receiver cannot skip a variant that it does not know, so nothing may be sent that the peer's
// version does not unlock; everything must be understood at any time.

import { compareVersions, isAtLeast, parseVersion, type Version } from "./semver.ts";

/** The version this package speaks. */
export const PROTOCOL_VERSION = "1.29.0";
/** What a client counts as before it announced a version. */
export const UNNEGOTIATED_VERSION = "1.2.2";

interface Gate {
  /** Lowest version; pre-releases never pass. */
  readonly atLeast: string;
  /** Whose sending it limits. */
  readonly limits: "agent" | "client" | "both" | "operator";
  /** Variants that it unlocks, as `Type.variant`. */
  readonly variants: readonly string[];
}

/** Every gate of the protocol. */
export const versionGates = {
  /** HTTP bodies as frames. */
  httpFramed: { atLeast: "1.3.0", limits: "both", variants: ["DaemonTcp.httpRequestFramed", "LayerTcpSteal.httpResponseFramed"] },
  clientReadyForLogs: { atLeast: "1.3.1", limits: "client", variants: ["ClientMessage.readyForLogs"] },
  /** Raw data may follow on the id of a stolen request that was answered with an upgrade. */
  httpFilteredUpgrade: { atLeast: "1.5.0", limits: "agent", variants: [] },
  readLink: { atLeast: "1.6.0", limits: "client", variants: ["FileRequest.readLink", "FileResponse.readLink"] },
  httpChunkedRequest: { atLeast: "1.7.0", limits: "agent", variants: ["DaemonTcp.httpRequestChunked"] },
  httpChunkedResponse: { atLeast: "1.8.1", limits: "client", variants: ["LayerTcpSteal.httpResponseChunked"] },
  readDirBatch: { atLeast: "1.9.0", limits: "client", variants: ["FileRequest.readDirBatch", "FileResponse.readDirBatch"] },
  httpCompositeFilter: { atLeast: "1.11.0", limits: "client", variants: ["HttpFilter.composite"] },
  mirrorBlock: { atLeast: "1.12.0", limits: "operator", variants: ["BlockedAction.mirror"] },
  makeDir: { atLeast: "1.13.0", limits: "client", variants: ["FileRequest.makeDir", "FileRequest.makeDirAt", "FileResponse.makeDir"] },
  openLocal: { atLeast: "1.13.3", limits: "operator", variants: ["ResponseError.openLocal"] },
  infoLog: { atLeast: "1.13.4", limits: "agent", variants: ["LogLevel.info"] },
  removeDir: {
    atLeast: "1.14.0",
    limits: "client",
    variants: ["FileRequest.removeDir", "FileRequest.unlink", "FileRequest.unlinkAt", "FileResponse.removeDir", "FileResponse.unlink"],
  },
  addrInfoV2: { atLeast: "1.15.0", limits: "client", variants: ["ClientMessage.getAddrInfoRequestV2"] },
  statFs: { atLeast: "1.16.0", limits: "client", variants: ["FileRequest.statFs"] },
  policyReason: { atLeast: "1.17.0", limits: "operator", variants: ["ResponseError.forbiddenWithReason"] },
  statFsV2: { atLeast: "1.18.0", limits: "client", variants: ["FileRequest.xstatFsV2", "FileRequest.statFsV2", "FileResponse.xstatFsV2"] },
  httpChunkedRequestV2: { atLeast: "1.19.0", limits: "agent", variants: ["ChunkedRequest.startV2", "ChunkedRequest.errorV2"] },
  /** Also: HTTP requests for mirroring, and for subscriptions without a filter. */
  modeAgnosticHttpRequests: { atLeast: "1.19.4", limits: "agent", variants: ["DaemonTcp.newConnectionV2"] },
  operatorPing: { atLeast: "1.19.8", limits: "operator", variants: ["DaemonMessage.operatorPing", "ClientMessage.operatorPong"] },
  httpMethodFilter: { atLeast: "1.20.0", limits: "client", variants: ["HttpFilter.method"] },
  rename: { atLeast: "1.21.0", limits: "client", variants: ["FileRequest.rename", "FileResponse.rename"] },
  mirrorHttpFilter: { atLeast: "1.21.1", limits: "client", variants: ["LayerTcp.portSubscribeFilteredHttp"] },
  outgoingConnectV2: {
    atLeast: "1.22.0",
    limits: "client",
    variants: ["LayerTcpOutgoing.connectV2", "LayerUdpOutgoing.connectV2", "DaemonTcpOutgoing.connectV2", "DaemonUdpOutgoing.connectV2"],
  },
  httpBodyJsonFilter: { atLeast: "1.23.0", limits: "client", variants: ["HttpFilter.body"] },
  copyFile: {
    atLeast: "1.24.0",
    limits: "client",
    variants: [
      "FileRequest.ftruncate",
      "FileRequest.futimens",
      "FileRequest.fchown",
      "FileRequest.fchmod",
      "FileResponse.ftruncate",
      "FileResponse.futimens",
      "FileResponse.fchown",
      "FileResponse.fchmod",
    ],
  },
  reverseDns: { atLeast: "1.25.0", limits: "client", variants: ["ClientMessage.reverseDnsLookup", "DaemonMessage.reverseDnsLookup"] },
  httpHeaderJqFilter: { atLeast: "1.26.0", limits: "client", variants: ["HttpFilter.headerJq"] },
  outgoingSeqpacket: {
    atLeast: "1.27.0",
    limits: "client",
    variants: ["ClientMessage.seqpacketOutgoing", "DaemonMessage.seqpacketOutgoing"],
  },
  systemFailure: { atLeast: "1.28.0", limits: "operator", variants: ["ResponseError.systemFailure"] },
  shareLink: { atLeast: "1.29.0", limits: "operator", variants: ["ClientMessage.shareLink"] },
} as const satisfies Record<string, Gate>;

export type VersionGate = keyof typeof versionGates;

/** Whether a peer that announced `version` may be sent what `gate` unlocks. A text that is no version unlocks nothing. */
export function allows(version: string, gate: VersionGate): boolean {
  const peer = parseVersion(version);
  return peer !== null && isAtLeast(peer, release(versionGates[gate].atLeast));
}

/** All that a peer which announced `version` may be sent. Compute it once per announcement. */
export function unlockedGates(version: string): ReadonlySet<VersionGate> {
  const gates = Object.keys(versionGates) as VersionGate[];
  return new Set(gates.filter((gate) => allows(version, gate)));
}

/** The version both sides speak: the lower one, as text. */
export function negotiate(ours: string, theirs: string): string {
  return compareVersions(release(ours), release(theirs)) <= 0 ? ours : theirs;
}

function release(text: string): Version {
  const version = parseVersion(text);
  if (version === null) throw new TypeError(`not a version: ${text}`);
  return version;
}
