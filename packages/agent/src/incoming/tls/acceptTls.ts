// The first moments of a connection to a port that is configured for TLS: the handshake with its peer. A peer that does not begin with one is not answered here:
// what it meant is the target's to judge.

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { PeerSide } from "./tlsPort.ts";

/** First byte of every TLS connection: the type of a handshake record. */
const HANDSHAKE = 0x16;

/** What a connection turned out to be. Nothing that its peer sent was lost; who has `left` had said nothing. */
export type Accepted = { readonly kind: "tls"; readonly socket: TLSSocket } | { readonly kind: "plain" } | { readonly kind: "left" };

/**
 * Waits for the first bytes, and for the handshake if they begin one. A peer that says nothing for so long is plain, and so is one that only ends.
 *
 * @param socket open, not yet read. It is destroyed on failure.
 * @throws Error for a handshake that failed.
 */
export async function acceptTls(socket: Socket, side: PeerSide, silenceMs: number): Promise<Accepted> {
  const first = await firstByte(socket, silenceMs);
  if (socket.destroyed) return { kind: "left" };
  if (first !== HANDSHAKE) return { kind: "plain" };
  const secured = await side.handshakes.with(socket);
  const reason = side.refusal(secured);
  if (reason === null) return { kind: "tls", socket: secured };
  secured.destroy();
  throw new Error(reason);
}

/** The first byte, which stays to be read; null where there is none. */
function firstByte(socket: Socket, silenceMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(null);
    const settle = (byte: number | null): void => {
      clearTimeout(timer);
      socket.off("readable", onReadable).off("end", onNone).off("error", onNone).off("close", onNone);
      resolve(byte);
    };
    const onNone = (): void => settle(null);
    const onReadable = (): void => {
      const bytes: unknown = socket.read();
      if (!(bytes instanceof Uint8Array)) return;
      socket.unshift(bytes);
      settle(bytes[0] ?? null);
    };
    const timer = setTimeout(onNone, silenceMs);
    socket.on("readable", onReadable).on("end", onNone).on("error", onNone).on("close", onNone);
  });
}
