// What a decoder accepts from its peer.

/** Bounds of decoding. All have defaults, see `defaultLimits`. */
export interface DecodeLimits {
  /**
   * Most memory one message may take while it is decoded, in bytes: its bytes on the wire plus an estimate of the heap that its
   * parts need (a list of a million empty strings is small on the wire only). Default 64 MiB; sensible from 1 MiB up.
   * `Write` and `Data` payloads are handed on piece by piece and never collected, but may not declare more than this either.
   */
  readonly maxMessageBytes: number;
  /** Deepest nesting of HTTP filters in each other. Default 64; clients build one level. */
  readonly maxDepth: number;
}

export const defaultLimits: DecodeLimits = { maxMessageBytes: 64 * 1024 * 1024, maxDepth: 64 };
