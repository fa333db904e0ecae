// Connections that the agent makes for a client: TCP and unix streams, UDP, and unix seqpacket sockets. Each of the three has its own
// connection ids.

import type { Infer } from "../codec.ts";
import { result, since, struct, union } from "../composites.ts";
import { bytes, uid } from "../primitives.ts";
import { ConnectionId, SocketAddress } from "./common.ts";
import { ResponseError } from "./errors.ts";

/** Asks for a connection. Answers have no id: one request at a time, in order. */
export const LayerConnect = struct({ remoteAddress: SocketAddress });
export type LayerConnect = Infer<typeof LayerConnect>;
/** Bytes for the peer. Empty bytes end the sending direction. */
export const LayerWrite = struct({ connectionId: ConnectionId, bytes });
export type LayerWrite = Infer<typeof LayerWrite>;
/** Ends both directions after what was written has been flushed. Not answered. */
export const LayerClose = struct({ connectionId: ConnectionId });
export type LayerClose = Infer<typeof LayerClose>;
/** Asks for a connection; the answer carries the same `uid`. */
export const LayerConnectV2 = struct({ uid, remoteAddress: SocketAddress });
export type LayerConnectV2 = Infer<typeof LayerConnectV2>;

const outgoing = { connect: LayerConnect, write: LayerWrite, close: LayerClose, connectV2: since("1.22.0", LayerConnectV2) } as const;

export const LayerTcpOutgoing = union("LayerTcpOutgoing", outgoing);
export type LayerTcpOutgoing = Infer<typeof LayerTcpOutgoing>;
export const LayerUdpOutgoing = union("LayerUdpOutgoing", outgoing);
export type LayerUdpOutgoing = Infer<typeof LayerUdpOutgoing>;
/** There is no connect without `uid` here, so the numbers differ. */
export const LayerSeqpacket = union("LayerSeqpacket", { write: LayerWrite, close: LayerClose, connectV2: LayerConnectV2 });
export type LayerSeqpacket = Infer<typeof LayerSeqpacket>;

/** A connection was made. */
export const DaemonConnect = struct({ connectionId: ConnectionId, remoteAddress: SocketAddress, localAddress: SocketAddress });
export type DaemonConnect = Infer<typeof DaemonConnect>;
/** Bytes from the peer. Empty bytes are the end of its sending direction. */
export const DaemonRead = struct({ connectionId: ConnectionId, bytes });
export type DaemonRead = Infer<typeof DaemonRead>;
export const DaemonConnectV2 = struct({ uid, connect: result(DaemonConnect, ResponseError) });
export type DaemonConnectV2 = Infer<typeof DaemonConnectV2>;

/** A `read` that failed is fatal for the client's whole session: agents send `close` instead. */
const fromPeer = {
  connect: result(DaemonConnect, ResponseError),
  read: result(DaemonRead, ResponseError),
  close: ConnectionId,
  connectV2: since("1.22.0", DaemonConnectV2),
} as const;

export const DaemonTcpOutgoing = union("DaemonTcpOutgoing", fromPeer);
export type DaemonTcpOutgoing = Infer<typeof DaemonTcpOutgoing>;
export const DaemonUdpOutgoing = union("DaemonUdpOutgoing", fromPeer);
export type DaemonUdpOutgoing = Infer<typeof DaemonUdpOutgoing>;
export const DaemonSeqpacket = union("DaemonSeqpacket", {
  read: result(DaemonRead, ResponseError),
  close: ConnectionId,
  connectV2: DaemonConnectV2,
});
export type DaemonSeqpacket = Infer<typeof DaemonSeqpacket>;
