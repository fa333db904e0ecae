// What a codec is. Shapes on the wire are declared once, as values; their TypeScript types are inferred from them.

import { INCOMPLETE, Reader } from "./reader.ts";
import type { Shape } from "./shape.ts";
import type { Writer } from "./writer.ts";

/** A read that stops where the bytes end and goes on when it is called again, with more bytes in the reader. */
export type Resumable<T> = Generator<undefined, T, undefined>;

/** One shape on the wire. */
export interface Codec<T> {
  /** For tools that walk types: JSON form, generated test values. */
  readonly shape: Shape;
  /** Fewest bytes any value takes. */
  readonly minBytes: number;
  /** True when a value is at most `SMALL_BYTES` long on the wire, so that it is cheap to read again. */
  readonly isSmall: boolean;
  /** @throws EncodeError when `value` has no form on the wire. */
  write(out: Writer, value: T): void;
  /**
   * Reads one value from bytes that are all there.
   * @throws ProtocolError when the bytes are not this shape; the connection ends there.
   * @throws INCOMPLETE when the bytes end inside the value; the reader's position is then undefined.
   */
  read(input: Reader): T;
  /** Reads one value whose bytes arrive in pieces. Consumes all that is there before it yields. */
  resume(input: Reader): Resumable<T>;
}

/** The TypeScript type of what a codec reads and writes. */
export type Infer<C> = C extends Codec<infer T> ? T : never;

/** Bound of `Codec.isSmall`: the longest small value is an address with over-long integers. */
const SMALL_BYTES = 32;

/** Reads at once if the bytes are there, else piece by piece. */
export function* resumeItem<T>(codec: Codec<T>, input: Reader): Resumable<T> {
  const { pos, overhead, depth } = input;
  try {
    return codec.read(input);
  } catch (error) {
    if (error !== INCOMPLETE) throw error;
  }
  input.rewind(pos, overhead, depth);
  return yield* codec.resume(input);
}

/** The `resume` of small codecs: collects bytes one by one until they make a value. */
export function* resumeSmall<T>(read: (input: Reader) => T, input: Reader): Resumable<T> {
  const carried = new Uint8Array(SMALL_BYTES);
  for (let length = 1; ; length++) {
    while (input.pos === input.end) yield;
    carried[length - 1] = input.byte();
    try {
      return read(new Reader(carried.subarray(0, length), input.limits));
    } catch (error) {
      if (error !== INCOMPLETE) throw error;
    }
  }
}

/** A codec of at most `SMALL_BYTES` bytes. */
export function small<T>(shape: Shape, minBytes: number, write: (out: Writer, value: T) => void, read: (input: Reader) => T): Codec<T> {
  return { shape, minBytes, isSmall: true, write, read, resume: (input) => resumeSmall(read, input) };
}
