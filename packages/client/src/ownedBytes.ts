// Received bytes are views of what the socket delivered. Whoever keeps a small one keeps all of that in memory.

/** The bytes themselves, or a copy where they are only a small part of their buffer. */
export function ownedBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length * 4 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}
