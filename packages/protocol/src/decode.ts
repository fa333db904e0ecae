// One message from bytes that are all there, for tools and tests. Connections use `StreamDecoder`.

import type { Codec } from "./codec.ts";
import { type DecodeLimits, defaultLimits } from "./limits.ts";
import { INCOMPLETE, Reader } from "./reader.ts";

/** `used`: bytes that the value took; what follows them is not looked at. */
export type Decoded<T> = { readonly kind: "value"; readonly value: T; readonly used: number } | { readonly kind: "incomplete" };

/** @throws ProtocolError when no continuation of the bytes could make them a message. */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array, limits: DecodeLimits = defaultLimits): Decoded<T> {
  const input = new Reader(bytes, limits);
  try {
    const value = codec.read(input);
    return { kind: "value", value, used: input.pos };
  } catch (error) {
    if (error !== INCOMPLETE) throw error;
    return { kind: "incomplete" };
  }
}
