// Two byte streams joined: what arrives on one leaves on the other, each direction on its own, so that neither can hold the other up. An end is
// passed on as an end, a reset as a reset.

import type { ByteSocket } from "../socket/byteSocket.ts";

export interface PumpOptions {
  /** Sees it when the target's connection breaks or is refused; the peer's is reset after it, for the same reason. */
  readonly onTargetError?: (error: Error) => void;
}

/** Joins two open sockets. Both are read by the pump from now on; bytes read before must have been written already. */
export function pump(peer: ByteSocket, target: ByteSocket, options: PumpOptions = {}): void {
  peer.reader = {
    bytes: (view) => target.write(view, peer),
    ended: () => target.end(),
    drained: () => target.resume(),
    closed: (error) => follow(target, error),
  };
  target.reader = {
    bytes: (view) => peer.write(view, target),
    ended: () => peer.end(),
    drained: () => peer.resume(),
    closed: (error) => {
      if (error !== null) options.onTargetError?.(error);
      follow(peer, error);
    },
  };
}

/** Ends one side as the other ended. */
function follow(socket: ByteSocket, error: Error | null): void {
  if (socket.isClosed) return;
  if (error === null) socket.close();
  else socket.abort(error);
}
