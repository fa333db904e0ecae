// Incoming traffic without a kernel's redirect, for tests: peers connect to a front door, and each connection counts as one that was addressed to the
// target's port and redirected. Everything behind the door is the real thing.

import type { HttpLimits } from "../incoming/http/httpLimits.ts";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createFilterServices } from "../incoming/http/filter/filterServices.ts";
import { IncomingTraffic, type IncomingTrafficOptions } from "../incoming/incomingTraffic.ts";
import { type Acceptor, takeListeningSocket } from "../socket/acceptHandles.ts";
import { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { CurrentWork } from "../task/currentWork.ts";
import { AgentUnderTest, type Client, listening, portOf } from "./sessionFixture.ts";

/** What tests of other things have; those of limits change one. */
export const httpLimits: HttpLimits = {
  head: { headMaxBytes: 64 * 1024, maxFields: 256 },
  bodyMaxBytes: 64 * 1024,
  bodyTimeoutMs: 1000,
  headTimeoutMs: 60_000,
  stuckTimeoutMs: 60_000,
};

export class PodUnderTest implements AsyncDisposable {
  readonly agent: AgentUnderTest;
  readonly incoming: IncomingTraffic;
  /** The target's own port. */
  readonly port: number;
  /** Ports that the kernel would redirect now. */
  readonly redirected: Set<number>;
  readonly #door: Acceptor;
  readonly #target: Server;

  private constructor(
    agent: AgentUnderTest,
    incoming: IncomingTraffic,
    port: number,
    redirected: Set<number>,
    door: Acceptor,
    target: Server,
  ) {
    this.agent = agent;
    this.incoming = incoming;
    this.port = port;
    this.redirected = redirected;
    this.#door = door;
    this.#target = target;
  }

  /** `target`: what answers at the target's port; it is listening on return. */
  static async start(target: Server, options: Partial<IncomingTrafficOptions> = {}): Promise<PodUnderTest> {
    await listening(target);
    const port = portOf(target);
    const redirected = new Set<number>();
    const door = await openDoor();
    let acceptor: Acceptor | null = null;
    let incoming: IncomingTraffic | null = null;
    const agent = await AgentUnderTest.start({
      incoming: (log, metrics, budget) =>
        (incoming = new IncomingTraffic({
          work: new CurrentWork(),
          openRedirector: (onConnection) => {
            acceptor ??= door.accept((accepted) =>
              onConnection({
                peer: accepted.remote,
                original: { ip: "127.0.0.1", port },
                agentIp: accepted.local.ip,
                open: (openOptions) => accepted.open({ allowHalfOpen: true, ...openOptions }),
                drop: () => accepted.drop(),
              }),
            );
            return Promise.resolve({
              add: (added) => Promise.resolve(void redirected.add(added)),
              remove: (removed) => Promise.resolve(void redirected.delete(removed)),
              listeners: { ipv4: null, ipv6: null },
              nftPid: undefined,
              [Symbol.asyncDispose]: () => Promise.resolve(),
            });
          },
          log,
          metrics,
          buffers: new ReceiveBuffers(),
          agentVersion: "0.0.0",
          detectionTimeoutMs: 200,
          detectionMaxBytes: 16 * 1024,
          detectsQuickly: true,
          unusedPortLingerMs: 0,
          keepsAddress: false,
          overridesCacheControl: false,
          injectsHeaders: false,
          tls: null,
          mirror: { samplePercent: 100, patienceMs: 0 },
          maxPendingBytes: 512 * 1024,
          budget,
          maxHeldBytes: 8 << 20,
          http: httpLimits,
          filters: createFilterServices({ jq: null }),
          ...options,
        })),
    });
    return new PodUnderTest(
      agent,
      incoming!,
      port,
      redirected,
      { port: door.port, [Symbol.dispose]: () => (acceptor ?? door)[Symbol.dispose]() },
      target,
    );
  }

  /** Where peers connect. */
  get doorPort(): number {
    return this.#door.port;
  }

  /** A peer of the target. `first` is sent as soon as it is connected. */
  async peer(first?: string): Promise<Peer> {
    const socket = connect({ port: this.#door.port, host: "127.0.0.1", allowHalfOpen: true });
    if (first !== undefined) socket.write(first);
    await once(socket, "connect");
    return new Peer(socket);
  }

  /** A client at the newest version that is ready for logs. */
  async client(version = "1.29.0"): Promise<Client> {
    const client = await this.agent.client();
    client.send({ kind: "switchProtocolVersion", value: version }, { kind: "readyForLogs" });
    await client.next("switchProtocolVersionResponse");
    return client;
  }

  /** Steals with a header filter, or everything. */
  async steal(client: Client, header?: string): Promise<void> {
    client.send({
      kind: "tcpSteal",
      value: {
        kind: "portSubscribe",
        value:
          header === undefined
            ? { kind: "all", value: this.port }
            : { kind: "filteredHttpEx", value: [this.port, { kind: "header", value: header }] },
      },
    });
    await client.next("tcpSteal");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
    this.#door[Symbol.dispose]();
    this.#target.close();
  }
}

function openDoor(): Promise<ReturnType<typeof takeListeningSocket>> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => resolve(takeListeningSocket(server)));
  });
}

/** A peer that writes what it likes and collects what comes. */
export class Peer implements Disposable {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #onChange: (() => void) | null = null;
  hasEnded = false;
  error: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    // What is written in pieces arrives in pieces.
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#onChange?.();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.#onChange?.();
    });
    socket.on("error", (error) => {
      this.error = error;
    });
    socket.on("close", () => this.#onChange?.());
  }

  write(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  get text(): string {
    return this.#received.toString("latin1");
  }

  get bytes(): Buffer {
    return this.#received;
  }

  /** Waits until something is true of what was received. */
  async until(isThere: (text: string) => boolean): Promise<string> {
    while (!isThere(this.text)) {
      if (this.socket.closed) throw new Error(`the connection ended with ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
    return this.text;
  }

  /** Waits until the other side ended its direction, or the connection broke. */
  async ended(): Promise<string> {
    while (!this.hasEnded && !this.socket.closed) await new Promise<void>((resolve) => (this.#onChange = resolve));
    return this.text;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
