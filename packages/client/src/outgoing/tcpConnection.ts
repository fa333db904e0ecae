// A stream connection that the agent made: TCP, or a unix socket of the target.

import type { DaemonConnect, SocketAddress } from "@understudy/protocol";
import { ConnectionStream, type ConnectionWire } from "../connectionStream.ts";
import type { ReceiveBudget } from "../receiveBudget.ts";

/** Owned by who asked for it: `end()` half-closes, `destroy()` closes. */
export class TcpConnection extends ConnectionStream {
  /** The peer, as the agent's kernel names it. */
  readonly peerAddress: SocketAddress;
  /** The agent's end of the connection. */
  readonly agentAddress: SocketAddress;

  constructor({ remoteAddress, localAddress }: DaemonConnect, wire: ConnectionWire, budget: ReceiveBudget) {
    super(wire, budget);
    this.peerAddress = remoteAddress;
    this.agentAddress = localAddress;
  }
}
