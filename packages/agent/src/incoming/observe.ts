// Lets several see what a peer sends, whoever reads it.

import type { ByteSocket, SocketObserver } from "../socket/byteSocket.ts";
import type { FirstBytes } from "./detection.ts";

/** Begins with what was read of the peer before. Nothing is done for nobody. */
export function observe(socket: ByteSocket, observers: readonly SocketObserver[], { bytes, hasEnded }: FirstBytes): void {
  if (observers.length === 0) return;
  const all: SocketObserver = {
    bytes: (view) => {
      for (const one of observers) one.bytes(view);
    },
    ended: () => {
      for (const one of observers) one.ended();
    },
    closed: (error) => {
      for (const one of observers) one.closed(error);
    },
  };
  socket.observer = all;
  if (bytes.length > 0) all.bytes(bytes);
  if (hasEnded) all.ended();
}
