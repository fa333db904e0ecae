// A connection that is bytes and nothing more: given to the client that steals the whole port, or joined to the target. Mirrors see what its peer sends, either way.

import type { ByteSocket, SocketObserver } from "../socket/byteSocket.ts";
import type { Arrival } from "./arrival.ts";
import type { FirstBytes, Found } from "./detection.ts";
import type { IncomingTraffic } from "./incomingTraffic.ts";
import { observe } from "./observe.ts";
import { FirstSpeaker, type PortHistory } from "./portHistory.ts";
import { pump } from "./pump.ts";
import type { Stealer } from "./subscriptions.ts";
import { connectTarget, dropTarget, type TargetConnection } from "./target.ts";

/** Takes over a connection of which the first bytes were read. Returns whether reading may go on. */
export function takeRaw(
  arrival: Arrival,
  socket: ByteSocket,
  traffic: IncomingTraffic,
  { first, target }: Found,
  history: PortHistory | null,
): boolean {
  const subscriptions = traffic.subscriptionsOf(arrival.original.port);
  const observers: SocketObserver[] = [];
  if (history !== null) observers.push(new FirstSpeaker(socket, history));
  for (const { subscriber, filter } of subscriptions?.mirrorers ?? []) {
    const mirrored = filter === null ? subscriber.mirrorConnection(arrival, socket) : null;
    if (mirrored !== null) observers.push(mirrored);
  }
  observe(socket, observers, first);
  const owner = ableOwner(subscriptions?.owner ?? null, arrival);
  if (owner === null) return passThrough(arrival, socket, traffic, first, target);
  if (target !== null) dropTarget(target);
  return owner.takeConnection(arrival, socket, first.bytes, first.hasEnded);
}

/** Old clients have no word for TLS: they would take what is inside for a connection without. */
function ableOwner(owner: Stealer | null, { tls }: Arrival): Stealer | null {
  if (owner === null || tls === null || owner.link.allows("modeAgnosticHttpRequests")) return owner;
  owner.link.tell("error", "A TCP connection was not stolen due to mirrord-protocol version requirement: >=1.19.4");
  return null;
}

/** Joins a connection to the target, over a connection of its own if there is one. Returns whether reading may go on. */
export function passThrough(
  arrival: Arrival,
  socket: ByteSocket,
  traffic: IncomingTraffic,
  first: FirstBytes,
  target: TargetConnection | null = null,
): boolean {
  const joined = target ?? connectTarget(arrival, traffic.targetOptions, { bytes: () => false });
  pump(socket, joined.socket, {
    onTargetError: (error) => {
      if (!joined.isConnected) traffic.reportPassthrough(joined.address, error);
    },
  });
  const mayGoOn = joined.socket.write(first.bytes, socket);
  if (first.hasEnded) joined.socket.end();
  return mayGoOn;
}
