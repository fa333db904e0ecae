// Received bytes are views of what the socket delivered. Whoever keeps a small one keeps all of that in memory.

import type { ReceiveMemory } from "./reusedBuffers.ts";

/** The bytes for ever: themselves, or a copy where they are only a small part of their buffer. */
export function ownedBytes(bytes: Uint8Array, memory?: ReceiveMemory): Uint8Array {
  if (isSmallPart(bytes)) return new Uint8Array(bytes);
  memory?.keep();
  return bytes;
}

/** The same until `giveBack` is called, which must be. */
export function lentBytes(bytes: Uint8Array, memory: ReceiveMemory): { readonly bytes: Uint8Array; readonly giveBack: () => void } {
  if (isSmallPart(bytes)) return { bytes: new Uint8Array(bytes), giveBack: () => undefined };
  return { bytes, giveBack: memory.lend() };
}

function isSmallPart(bytes: Uint8Array): boolean {
  return bytes.length * 4 < bytes.buffer.byteLength;
}
