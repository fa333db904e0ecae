// The connections of all kinds that the agent makes for one client, and what waits for their peers.

import type { LayerSeqpacket, LayerTcpOutgoing, LayerUdpOutgoing } from "@understudy/protocol";
import type { ReusedBuffer, SessionLink } from "../link/sessionLink.ts";
import { SeqpacketOutgoing } from "../outgoing/seqpacket.ts";
import { TcpOutgoing } from "../outgoing/tcp.ts";
import { UdpOutgoing } from "../outgoing/udp.ts";
import { WaitingBytes } from "../task/waitingBytes.ts";
import type { Services } from "./services.ts";

export interface OutgoingConnectionsOptions {
  readonly link: SessionLink;
  readonly services: Services;
  /** Called when less waits for peers than before. */
  readonly onRelief: () => void;
}

/** Of one session. */
export class OutgoingConnections implements Disposable {
  readonly #waiting: WaitingBytes;
  readonly #tcp: TcpOutgoing;
  readonly #udp: UdpOutgoing;
  readonly #seqpacket: SeqpacketOutgoing;

  constructor({ link, services, onRelief }: OutgoingConnectionsOptions) {
    const { log, metrics, limits, budget, buffers, networkRefusal } = services;
    const { maxConnections, connectTimeoutMs, stuckPeerTimeoutMs: stuckTimeoutMs } = limits;
    this.#waiting = new WaitingBytes({ maxBytes: limits.maxPendingBytes, budget, onRelief });
    const outgoing = { link, log: log.child("agent::outgoing"), maxConnections, networkRefusal };
    const locate = services.openLocator(link.signal);
    const stream = { ...outgoing, connectTimeoutMs, stuckTimeoutMs, waiting: this.#waiting, locate };
    this.#tcp = new TcpOutgoing({ ...stream, buffers, connectionCount: metrics.tcpOutgoingConnectionCount });
    this.#udp = new UdpOutgoing({ ...outgoing, connectionCount: metrics.udpOutgoingConnectionCount, dropped: metrics.droppedDatagrams });
    this.#seqpacket = new SeqpacketOutgoing({
      ...stream,
      connectionCount: metrics.seqpacketConnections,
      droppedEmpty: metrics.droppedDatagrams.with("empty"),
    });
  }

  /** While more waits for peers than may: the client should not be read from. */
  get isOverfull(): boolean {
    return this.#waiting.isOverfull;
  }

  /** `buffer` owns the bytes of a write. */
  handleTcp(message: LayerTcpOutgoing, buffer: ReusedBuffer): void {
    this.#tcp.handle(message, buffer);
  }

  handleUdp(message: LayerUdpOutgoing): void {
    this.#udp.handle(message);
  }

  handleSeqpacket(message: LayerSeqpacket): void {
    this.#seqpacket.handle(message);
  }

  [Symbol.dispose](): void {
    this.#tcp[Symbol.dispose]();
    this.#udp[Symbol.dispose]();
    this.#seqpacket[Symbol.dispose]();
    this.#waiting[Symbol.dispose]();
  }
}
