// Limits of connections that speak HTTP.

import type { HeadLimits } from "./head.ts";

export interface HttpLimits {
  /** A head beyond them is passed on unread, or refused where that is too late. */
  readonly head: HeadLimits;
  /** Time for a head from its first byte to its last, in ms; later it is passed on unread, or refused where that is too late. */
  readonly headTimeoutMs: number;
  /** Largest body that filters look at, in bytes. */
  readonly bodyMaxBytes: number;
  /** How long filters wait for a body, in ms. */
  readonly bodyTimeoutMs: number;
  /** Time in which a peer may take nothing of what a client answered, in ms. */
  readonly stuckTimeoutMs: number;
}
