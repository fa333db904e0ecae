// Traffic that arrives for the target: subscriptions of a client and what it gets of them. `Tcp` messages mirror, `TcpSteal` messages steal.

import type { Infer } from "../codec.ts";
import { result, since, struct, union } from "../composites.ts";
import { ipAddr } from "../netAddress.ts";
import { ConnectionId, IncomingTrafficTransportType, Port, TcpData } from "./common.ts";
import { ResponseError } from "./errors.ts";
import { HttpFilter, StealType } from "./filters.ts";
import { ChunkedRequest, ChunkedResponse, HttpRequestBytes, HttpRequestFramed, HttpResponseBytes, HttpResponseFramed } from "./http.ts";

/** Mirroring. Only the two subscribes are answered. */
export const LayerTcp = union("LayerTcp", {
  portSubscribe: Port,
  connectionUnsubscribe: ConnectionId,
  portUnsubscribe: Port,
  portSubscribeFilteredHttp: since("1.21.1", [Port, HttpFilter]),
});
export type LayerTcp = Infer<typeof LayerTcp>;

/** Stealing: subscriptions, data of stolen connections and responses to stolen requests. Only the subscribe is answered. */
export const LayerTcpSteal = union("LayerTcpSteal", {
  portSubscribe: StealType,
  connectionUnsubscribe: ConnectionId,
  portUnsubscribe: Port,
  data: TcpData,
  httpResponse: HttpResponseBytes,
  httpResponseFramed: since("1.3.0", HttpResponseFramed),
  httpResponseChunked: since("1.8.1", ChunkedResponse),
});
export type LayerTcpSteal = Infer<typeof LayerTcpSteal>;

/** A connection of a subscribed port. `remoteAddress` and `sourcePort` are the peer's, `localAddress` the address it was accepted on. */
export const NewTcpConnectionV1 = struct({
  connectionId: ConnectionId,
  remoteAddress: ipAddr,
  destinationPort: Port,
  sourcePort: Port,
  localAddress: ipAddr,
});
export type NewTcpConnectionV1 = Infer<typeof NewTcpConnectionV1>;
export const NewTcpConnectionV2 = struct({ connection: NewTcpConnectionV1, transport: IncomingTrafficTransportType });
export type NewTcpConnectionV2 = Infer<typeof NewTcpConnectionV2>;
/** Nothing more will come of this connection or request. */
export const TcpClose = struct({ connectionId: ConnectionId });
export type TcpClose = Infer<typeof TcpClose>;

/** What a subscriber gets. One type for mirrored and for stolen traffic. */
export const DaemonTcp = union("DaemonTcp", {
  newConnectionV1: NewTcpConnectionV1,
  data: TcpData,
  close: TcpClose,
  subscribeResult: result(Port, ResponseError),
  httpRequest: HttpRequestBytes,
  httpRequestFramed: since("1.3.0", HttpRequestFramed),
  httpRequestChunked: since("1.7.0", ChunkedRequest),
  newConnectionV2: since("1.19.4", NewTcpConnectionV2),
});
export type DaemonTcp = Infer<typeof DaemonTcp>;
