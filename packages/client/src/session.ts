// One client session with an agent: which message belongs to whom, and what everybody is told when it ends.

import {
  type AddressFamily,
  type DaemonMessage,
  type DnsLookup,
  type GetAddrInfoResponse,
  type HttpFilter,
  type LogMessage,
  PROTOCOL_VERSION,
  type RemoteEnvVars,
  type ResponseError,
  type Result,
  type ReverseDnsLookupResponse,
  type SocketAddr,
  unlockedGates,
  type VersionGate,
  versionGates,
} from "@understudy/protocol";
import type { Duplex } from "node:stream";
import { AgentLink } from "./agentLink.ts";
import { AnswerQueue } from "./answerQueue.ts";
import { AgentError, SessionClosedError, UnsupportedByAgentError } from "./errors.ts";
import { TargetFiles } from "./files/targetFiles.ts";
import { filterGates } from "./incoming/filterGates.ts";
import { Incoming } from "./incoming/incoming.ts";
import type { MirrorOptions, StealOptions, Subscription } from "./incoming/subscription.ts";
import { keepAlive } from "./keepAlive.ts";
import type { DatagramConnection } from "./outgoing/datagramConnection.ts";
import { type ConnectOptions, Outgoing, type PeerAddress, type UnixPeerAddress } from "./outgoing/outgoing.ts";
import type { PacketConnection } from "./outgoing/packetConnection.ts";
import type { TcpConnection } from "./outgoing/tcpConnection.ts";
import { ReceiveBudget } from "./receiveBudget.ts";
import { type WebHandler, webHandler } from "./web/webHandler.ts";

export interface SessionOptions {
  /** Ends the session when it aborts, also while it is being opened. */
  readonly signal?: AbortSignal | undefined;
  /** What to announce. Default and highest: the version of the protocol package. */
  readonly version?: string;
  /** How long the agent may take to answer the first message. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
  /** Asks the agent at every interval whether it lives. Default 0: never. Sensible from 1,000 up. */
  readonly pingIntervalMs?: number;
  /** How long a ping may stay unanswered, with nothing else coming either, before the session ends. Default 30,000. */
  readonly pingTimeoutMs?: number;
  /**
   * Most received bytes that are kept for streams nobody reads, all together; beyond it the session stops reading its agent until
   * half is taken, and everything of the session waits. Default 16 MiB. One stream's buffer of 64 KiB is beside it.
   */
  readonly receiveMaxBytes?: number;
  /** Largest message to accept. Default 64 MiB. */
  readonly maxMessageBytes?: number;
  /** Texts of the agent for the user. */
  readonly onLog?: (message: LogMessage) => void;
}

/** What `Session.env` asks for: patterns with `*` and `?`. */
export interface EnvOptions {
  /** Names to leave out. */
  readonly filter?: Iterable<string>;
  /** Names to have; none means all. */
  readonly select?: Iterable<string>;
}

export class Session implements AsyncDisposable {
  readonly files: TargetFiles;
  /** Resolves, never rejects, with the reason when the session is over. */
  readonly closed: Promise<SessionClosedError>;
  readonly #link: AgentLink;
  readonly #options: SessionOptions;
  readonly #resolveClosed: (reason: SessionClosedError) => void;
  readonly #versions = new AnswerQueue<string>();
  readonly #pongs = new AnswerQueue<null>();
  readonly #env = new AnswerQueue<Result<RemoteEnvVars, ResponseError>>();
  readonly #lookups = new AnswerQueue<GetAddrInfoResponse>();
  readonly #reverseLookups = new AnswerQueue<Result<ReverseDnsLookupResponse, ResponseError>>();
  readonly #outgoing: Outgoing;
  readonly #stealing: Incoming;
  readonly #mirroring: Incoming;
  readonly #onAbort = (): void =>
    this.#link.finish(new SessionClosedError("aborted", "the session was aborted", { cause: this.#options.signal?.reason }));
  #version = "";
  #gates: ReadonlySet<VersionGate> = new Set();

  /** Use `openSession`. Owns `stream`. */
  constructor(stream: Duplex, options: SessionOptions) {
    const { promise, resolve } = Promise.withResolvers<SessionClosedError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#options = options;
    this.#link = new AgentLink(stream, {
      maxMessageBytes: options.maxMessageBytes ?? 64 * 1024 * 1024,
      onMessage: (message) => this.#onMessage(message),
      onEnd: (reason) => this.#onEnd(reason),
    });
    const receiveMaxBytes = options.receiveMaxBytes ?? 16 * 1024 * 1024;
    const budget = new ReceiveBudget(receiveMaxBytes, (isFull) => this.#link.setPaused(isFull), this.#link.memory);
    const allows = (gate: VersionGate): boolean => this.#allows(gate);
    this.files = new TargetFiles(this.#link, (gate, what) => this.#need(gate, what));
    this.#outgoing = new Outgoing(this.#link, budget, allows);
    const services = { link: this.#link, budget, allows, ping: () => this.ping() };
    this.#stealing = new Incoming("steal", services);
    this.#mirroring = new Incoming("mirror", services);
  }

  /** The version both sides speak. */
  get version(): string {
    return this.#version;
  }

  /** Called once, before the session is given away. Rejects with the reason when the session ended instead. */
  async negotiate(): Promise<void> {
    const { signal, version = PROTOCOL_VERSION, handshakeTimeoutMs = 10_000, pingIntervalMs = 0, pingTimeoutMs = 30_000 } = this.#options;
    if (signal?.aborted === true) this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    const timer = setTimeout(() => {
      this.#link.finish(new SessionClosedError("timeout", `the agent did not answer within ${handshakeTimeoutMs} ms`));
    }, handshakeTimeoutMs);
    try {
      this.#version = await this.#versions.ask(this.#link, { kind: "switchProtocolVersion", value: version });
      this.#gates = unlockedGates(this.#version);
    } finally {
      clearTimeout(timer);
    }
    if (this.#allows("clientReadyForLogs")) this.#link.post({ kind: "readyForLogs" });
    if (pingIntervalMs > 0) keepAlive(this.#link, () => this.ping(), { intervalMs: pingIntervalMs, timeoutMs: pingTimeoutMs });
  }

  /** Resolves with the milliseconds that the agent took to answer. */
  async ping(): Promise<number> {
    const sentAt = performance.now();
    await this.#pongs.ask(this.#link, { kind: "ping" });
    return performance.now() - sentAt;
  }

  /** The target's environment variables, without those the agent never tells. */
  async env({ filter = [], select = [] }: EnvOptions = {}): Promise<RemoteEnvVars> {
    const request = { envVarsFilter: new Set(filter), envVarsSelect: new Set(select) };
    return unwrap("environment", await this.#env.ask(this.#link, { kind: "getEnvVarsRequest", value: request }));
  }

  /** Addresses of a name, as the target would look it up. Answers come in the order of the requests. */
  async lookup(node: string, family: AddressFamily = "any"): Promise<DnsLookup> {
    if (!this.#allows("addrInfoV2")) {
      if (family === "ipv6Only") this.#need("addrInfoV2", "looking up IPv6 addresses");
      return unwrap(`look up ${node}`, await this.#lookups.ask(this.#link, { kind: "getAddrInfoRequest", value: { node } }));
    }
    const value = { node, servicePort: 0, family, socktype: "any", flags: 0, protocol: 0 } as const;
    return unwrap(`look up ${node}`, await this.#lookups.ask(this.#link, { kind: "getAddrInfoRequestV2", value }));
  }

  /** The name of an address. */
  async reverseLookup(ipAddress: string): Promise<string> {
    this.#need("reverseDns", "looking up the name of an address");
    const what = `look up ${ipAddress}`;
    const answer = await this.#reverseLookups.ask(this.#link, { kind: "reverseDnsLookup", value: { ipAddress } });
    return unwrap(what, unwrap(what, answer).hostname);
  }

  /** A connection made by the agent, from the target's network. */
  connectTcp(address: PeerAddress, options: ConnectOptions = {}): Promise<TcpConnection> {
    return this.#outgoing.connectTcp(address, options);
  }

  /**
   * A seqpacket connection to a unix socket of the target.
   * @throws UnsupportedByAgentError when the agent is too old.
   */
  async connectSeqpacket(address: UnixPeerAddress, options: ConnectOptions = {}): Promise<PacketConnection> {
    this.#need("outgoingSeqpacket", "connecting seqpacket sockets");
    return await this.#outgoing.connectSeqpacket(address, options);
  }

  connectUdp(address: SocketAddr, options: ConnectOptions = {}): Promise<DatagramConnection> {
    return this.#outgoing.connectUdp(address, options);
  }

  /**
   * Answers the target's requests in its place. Without a filter its raw connections are taken, too.
   * A filter that the agent cannot read ends the session, with the agent's reason: that is the protocol.
   */
  steal(port: number, options: StealOptions): Promise<Subscription>;
  /** The same with `Request` and `Response` of the web platform; a filter of null takes every request; what is not HTTP reaches the target. */
  steal(port: number, filter: HttpFilter | null, handler: WebHandler): Promise<Subscription>;
  async steal(port: number, what: StealOptions | HttpFilter | null, handler?: WebHandler): Promise<Subscription> {
    const { filter, ...handlers } = stealOptions(what, handler);
    this.#needFilter(filter);
    return await this.#stealing.subscribe(port, filter ?? null, handlers);
  }

  /** Gets copies of what the target receives. */
  async mirror(port: number, { filter, ...handlers }: MirrorOptions): Promise<Subscription> {
    if (filter !== undefined) this.#need("mirrorHttpFilter", "mirroring with a filter");
    this.#needFilter(filter);
    return await this.#mirroring.subscribe(port, filter ?? null, handlers);
  }

  /** Tells the agent and ends the session. Everything that is not finished rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link.close(new SessionClosedError("disposed", "the session was closed by this side"));
    await this.closed;
  }

  #onMessage(message: DaemonMessage): void {
    if (!this.#take(message)) {
      const name =
        "value" in message && typeof message.value === "object" && "kind" in message.value
          ? `${message.kind}.${message.value.kind}`
          : message.kind;
      this.#link.finish(new SessionClosedError("malformed", `the agent sent ${name}, which nobody asked for`));
    }
  }

  /** False for what a client never gets, or did not ask for. */
  #take(message: DaemonMessage): boolean {
    switch (message.kind) {
      case "close": {
        const agentText = message.value;
        this.#link.finish(new SessionClosedError("closedByAgent", `the agent closed the session: ${agentText}`, { agentText }));
        return true;
      }
      case "tcp":
        return this.#mirroring.handle(message.value);
      case "tcpSteal":
        return this.#stealing.handle(message.value);
      case "tcpOutgoing":
        return this.#outgoing.handle("tcp", message.value);
      case "udpOutgoing":
        return this.#outgoing.handle("udp", message.value);
      case "seqpacketOutgoing":
        return this.#outgoing.handle("seqpacket", message.value);
      case "logMessage":
        this.#options.onLog?.(message.value);
        return true;
      case "file":
        return this.files.handle(message.value);
      case "pong":
        return this.#pongs.settle(null);
      case "getEnvVarsResponse":
        return this.#env.settle(message.value);
      case "getAddrInfoResponse":
        return this.#lookups.settle(message.value);
      case "reverseDnsLookup":
        return this.#reverseLookups.settle(message.value);
      case "switchProtocolVersionResponse":
        return this.#versions.settle(message.value);
      case "operatorPing":
        this.#link.post({ kind: "operatorPong", value: message.value });
        return true;
      case "pauseTarget":
      case "vpn":
        return false;
    }
  }

  #onEnd(reason: SessionClosedError): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const queue of [this.#versions, this.#pongs, this.#env, this.#lookups, this.#reverseLookups]) queue.fail(reason);
    this.files.fail(reason);
    this.#outgoing.fail(reason);
    this.#stealing.fail(reason);
    this.#mirroring.fail(reason);
    this.#resolveClosed(reason);
  }

  #allows(gate: VersionGate): boolean {
    return this.#gates.has(gate);
  }

  #needFilter(filter: HttpFilter | undefined): void {
    if (filter === undefined) return;
    for (const { gate, what } of filterGates(filter)) this.#need(gate, what);
  }

  /** @throws UnsupportedByAgentError when the agent is too old. */
  #need(gate: VersionGate, what: string): void {
    if (!this.#allows(gate)) throw new UnsupportedByAgentError(what, versionGates[gate].atLeast, this.#version);
  }
}

/** Without a filter a port is taken as raw connections. */
const everyRequest: HttpFilter = { kind: "path", value: "^" };

function stealOptions(what: StealOptions | HttpFilter | null, handler: WebHandler | undefined): StealOptions {
  if (handler === undefined) return what as StealOptions;
  return { filter: (what as HttpFilter | null) ?? everyRequest, onRequest: webHandler(handler) };
}

function unwrap<T>(what: string, answer: Result<T, ResponseError>): T {
  if (answer.kind === "err") throw new AgentError(what, answer.value);
  return answer.value;
}
