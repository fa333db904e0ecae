// A connection that arrived for the target and was redirected to the agent.

import type { SocketAddr } from "@understudy/protocol";

export interface Arrival {
  /** Who connected. */
  readonly peer: SocketAddr;
  /** What the peer connected to. Its port decides who is concerned. */
  readonly original: SocketAddr;
  /** Address on which the agent accepted it. */
  readonly agentIp: string;
}
