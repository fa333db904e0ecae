// Where an accepted connection goes. Its first bytes tell what is spoken on it; a connection that carries requests has each of them judged on its own, any other goes as a
// whole to the client that steals the port, or on to the target.

import type { ByteSocket } from "../socket/byteSocket.ts";
import type { Arrival } from "./arrival.ts";
import { Detection, type DetectionOptions, type Found } from "./detection.ts";
import { HttpConnection } from "./http/httpConnection.ts";
import { Http2Connection } from "./http2/http2Connection.ts";
import type { IncomingTraffic } from "./incomingTraffic.ts";
import type { PortHistory } from "./portHistory.ts";
import { passThrough, takeRaw } from "./rawConnection.ts";
import { connectTarget, dropTarget } from "./target.ts";

/** A peer that speaks first does it at once; one that has said nothing for so long may be waiting for the target, which is then asked. In ms. */
const ASK_TARGET_AFTER_MS = 30;
/** Time for a peer to speak on a port whose answering side is used to speak first, in ms. */
const SERVER_FIRST_TIMEOUT_MS = 100;

/** Takes over a connection that was just accepted. */
export function route(arrival: Arrival, socket: ByteSocket, traffic: IncomingTraffic): void {
  const { port } = arrival.original;
  const subscriptions = traffic.subscriptionsOf(port);
  if (subscriptions === null) {
    passThrough(arrival, socket, traffic, { bytes: new Uint8Array(0), hasEnded: false });
    return;
  }
  const negotiated = negotiatedBy(arrival);
  if (negotiated !== null) {
    const first = { bytes: new Uint8Array(0), hasEnded: false };
    if (!take(arrival, socket, traffic, { spoken: negotiated, first, target: null }, null)) socket.pause();
    return;
  }
  const history = traffic.historyOf(port);
  const isOwned = subscriptions.owner !== null;
  void new Detection(socket, {
    ...limits(traffic, history, isOwned),
    askTarget: askTarget(arrival, traffic, history, isOwned),
    take: (found) => take(arrival, socket, traffic, found, history),
  });
}

/** What is spoken where a TLS handshake has settled that. */
function negotiatedBy({ tls }: Arrival): Found["spoken"] | null {
  switch (tls?.alpn ?? null) {
    case null:
      return null;
    case "h2":
      return "http2";
    case "http/1.1":
    case "http/1.0":
      return "http1";
    default:
      return "other";
  }
}

function limits(
  { detection }: IncomingTraffic,
  history: PortHistory | null,
  isOwned: boolean,
): Pick<DetectionOptions, "timeoutMs" | "totalMs" | "maxBytes"> {
  if (!isOwned || history?.isServerFirst !== true) return detection;
  return { ...detection, timeoutMs: Math.min(detection.timeoutMs, SERVER_FIRST_TIMEOUT_MS) };
}

/** The target of a port that a client steals as a whole has no say in what is spoken there. */
function askTarget(
  arrival: Arrival,
  traffic: IncomingTraffic,
  history: PortHistory | null,
  isOwned: boolean,
): DetectionOptions["askTarget"] {
  if (history === null || isOwned) return null;
  return {
    afterMs: history.isServerFirst ? 0 : ASK_TARGET_AFTER_MS,
    connect: (reader) => connectTarget(arrival, traffic.targetOptions, reader),
  };
}

/** What is spoken is known. Returns whether reading may go on. */
function take(arrival: Arrival, socket: ByteSocket, traffic: IncomingTraffic, found: Found, history: PortHistory | null): boolean {
  const { spoken, first, target } = found;
  traffic.countDetected(spoken);
  if (spoken === "other") return takeRaw(arrival, socket, traffic, found, history);
  history?.peerSpokeFirst();
  if (spoken === "http2") {
    // Streams are a connection of their own kind: one that was made for something else is not theirs.
    if (target !== null) dropTarget(target);
    const connection = new Http2Connection(arrival, socket, traffic);
    traffic.keepRequests(connection, socket);
    const mayGoOn = connection.peerBytes(first.bytes);
    if (first.hasEnded) connection.peerEnded();
    return mayGoOn;
  }
  const isUsable = target?.isConnected === true;
  // A target that has not accepted in all this time may be none, which only a request that is meant for it should find out.
  if (target !== null && !isUsable) dropTarget(target);
  const connection = new HttpConnection(arrival, socket, traffic, isUsable ? target : null);
  traffic.keepRequests(connection, socket);
  const mayGoOn = connection.peerBytes(first.bytes);
  if (first.hasEnded) connection.peerEnded();
  return mayGoOn;
}
