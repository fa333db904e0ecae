// How rules tell the agent's own connections, which must reach the target and never come back to the agent.

/** What is known of the agent. */
export interface OwnTraffic {
  /** Its group id. */
  readonly group: number;
  /**
   * Addresses of the pod. With them, what the agent's group sends from one of these is redirected like anybody's, as when a client's program
   * connects to its own service; but for what carries the {@link passMark}. Without them nothing of the group is.
   */
  readonly podIps: readonly string[];
}

/** Firewall mark of connections by which traffic is passed on to the target at the pod's own address. */
export const passMark = 0x2000;
