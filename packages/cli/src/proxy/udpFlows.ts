// Datagrams of programs of this machine, each program's to each peer through a UDP socket of the agent. A flow ends when it was idle for a while; when there
// are too many, the one that was idle longest goes. What comes faster than it can be sent is dropped, as a kernel does.

import type { DatagramConnection } from "@understudy/client";
import type { Traffic, TrafficReport } from "./trafficReport.ts";

/** As long as Linux keeps an UDP flow of one direction twice over. */
const IDLE_MAX_MS = 60_000;
/** Most bytes of one flow that wait to be sent. */
const WAITING_MAX_BYTES = 1024 * 1024;

export interface UdpFlowsOptions {
  readonly flowsMax: number;
  readonly report: TrafficReport;
  /** How long a flow may be idle. Default 60,000. */
  readonly idleMaxMs?: number;
}

export interface NewFlow {
  readonly from: string;
  readonly to: string;
  readonly connect: (signal: AbortSignal) => Promise<DatagramConnection>;
  /** A datagram of the peer. */
  readonly onReply: (datagram: Uint8Array, connection: DatagramConnection) => void;
}

interface Flow extends Disposable {
  send(datagram: Uint8Array): void;
}

/** Owns its flows. */
export class UdpFlows implements Disposable {
  readonly #options: UdpFlowsOptions;
  /** The flow that was idle longest is first. */
  readonly #flows = new Map<string, Flow>();

  constructor(options: UdpFlowsOptions) {
    this.#options = options;
  }

  /** Sends a datagram with the flow of this key, which is begun as `begin` says where there is none. */
  send(key: string, datagram: Uint8Array, begin: () => NewFlow): void {
    // The protocol cannot express them.
    if (datagram.length === 0) return;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= this.#options.flowsMax) this.#flows.values().next().value?.[Symbol.dispose]();
      flow = startFlow(begin(), this.#options.idleMaxMs ?? IDLE_MAX_MS, (traffic) => {
        if (this.#flows.get(key) === flow) this.#flows.delete(key);
        this.#options.report.ended(traffic);
      });
    }
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    flow.send(datagram);
  }

  [Symbol.dispose](): void {
    for (const flow of this.#flows.values()) flow[Symbol.dispose]();
  }
}

/** `onEnd` is called once, not before this has returned. */
function startFlow({ from, to, connect, onReply }: NewFlow, idleMaxMs: number, onEnd: (traffic: Traffic) => void): Flow {
  const startedAtMs = performance.now();
  const ended = new AbortController();
  const idle = setTimeout(() => ended.abort(), idleMaxMs);
  let sent = 0;
  let received = 0;
  let waitingBytes = 0;
  const connecting = connect(ended.signal);

  const receive = async (): Promise<void> => {
    using connection = await connecting;
    const close = (): void => connection.destroy();
    ended.signal.addEventListener("abort", close, { once: true });
    if (ended.signal.aborted) return;
    for await (const datagram of connection) {
      idle.refresh();
      received += datagram.length;
      onReply(datagram, connection);
    }
  };
  const run = async (): Promise<void> => {
    let error: unknown = null;
    try {
      await receive();
    } catch (thrown) {
      if (!ended.signal.aborted) error = thrown;
    }
    clearTimeout(idle);
    ended.abort();
    onEnd({ transport: "udp", from, to, sent, received, startedAtMs, error });
  };
  void run();

  return {
    send: (datagram) => {
      idle.refresh();
      if (waitingBytes + datagram.length > WAITING_MAX_BYTES) return;
      waitingBytes += datagram.length;
      connecting
        .then((connection) => connection.send(datagram))
        .then(() => (sent += datagram.length))
        // The receiving side has seen the same error.
        .catch(() => undefined)
        .finally(() => (waitingBytes -= datagram.length));
    },
    [Symbol.dispose]: () => ended.abort(),
  };
}
