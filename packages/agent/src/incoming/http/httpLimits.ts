// Limits of connections that speak HTTP.

import type { HeadLimits } from "./head.ts";

export interface HttpLimits {
  /** A head beyond them is passed on unread, or refused where that is too late. */
  readonly head: HeadLimits;
  /** Largest body that filters look at, in bytes. */
  readonly bodyMaxBytes: number;
  /** How long filters wait for a body, in ms. */
  readonly bodyTimeoutMs: number;
  /** Time in which a peer may take nothing of what a client answered, in ms. */
  readonly stuckTimeoutMs: number;
}
