// Two byte streams joined: what arrives on one leaves on the other, each direction on its own, so that neither can hold the other up. An end is
// passed on as an end, a reset as a reset.

import type { ByteSocket, SocketReader } from "../socket/byteSocket.ts";

export interface PumpOptions {
  /** Sees what goes from the first to the second socket, before it is sent. */
  readonly onBytes?: (view: Uint8Array) => void;
  /** The first socket's sender ended its direction. */
  readonly onEnded?: () => void;
  /** Both sockets are gone. `error`: what broke the connection first, if anything did. */
  readonly onClosed?: (error: Error | null) => void;
  /** Sees it when the second socket breaks. Returns true when it took care of the first one. */
  readonly onTargetError?: (error: Error) => boolean;
}

/** Joins two open sockets. Both are read by the pump from now on; bytes read before must have been written already. */
export function pump(peer: ByteSocket, target: ByteSocket, options: PumpOptions = {}): void {
  let open = 2;
  let firstError: Error | null = null;
  const closed = (error: Error | null): void => {
    firstError ??= error;
    open -= 1;
    if (open === 0) options.onClosed?.(firstError);
  };
  peer.reader = {
    bytes: (view) => {
      options.onBytes?.(view);
      return target.write(view, peer);
    },
    ended: () => {
      options.onEnded?.();
      target.end();
    },
    drained: () => target.resume(),
    closed: (error) => {
      if (error !== null) target.reset();
      else target.close();
      closed(error);
    },
  };
  target.reader = {
    bytes: (view) => peer.write(view, target),
    ended: () => peer.end(),
    drained: () => peer.resume(),
    closed: (error) => {
      const isHandled = error !== null && options.onTargetError?.(error) === true;
      if (error !== null && !isHandled) peer.reset();
      else peer.close();
      closed(error);
    },
  } satisfies SocketReader;
}
