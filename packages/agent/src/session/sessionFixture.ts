// A session over real sockets for tests, with a client that speaks the wire itself. Domains that need a target are stand-ins.

import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { ClientMessage, DaemonMessage, type LookupRecord, StreamDecoder, Writer } from "@understudy/protocol";
import type { Fields, Log } from "../log/log.ts";
import { AnswerBuffers } from "../files/answerBuffer.ts";
import { TargetPaths } from "../files/targetPaths.ts";
import type { IncomingTraffic } from "../incoming/incomingTraffic.ts";
import { Metrics } from "../metrics/metrics.ts";
import { type Acceptor, takeListeningSocket } from "../socket/acceptHandles.ts";
import { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { CurrentWork } from "../task/currentWork.ts";
import { MemoryBudget } from "../task/memoryBudget.ts";
import { createTurnEnd } from "../task/turnEnd.ts";
import type { OperatorTls } from "./operatorTls.ts";
import type { Services, SessionFiles } from "./services.ts";
import { Sessions } from "./sessions.ts";

/** A log that keeps what an admin would read. */
export class RecordedLog implements Log {
  readonly events: { code: string; fields: Fields | undefined }[] = [];
  readonly isDebug = true;
  readonly isTrace = true;
  trace(): void {}
  debug(): void {}
  event(code: string, fields?: Fields): void {
    this.events.push({ code, fields });
  }
  child(): Log {
    return this;
  }
}

export interface AgentUnderTestOptions {
  readonly deafTimeoutMs?: number;
  readonly silentTimeoutMs?: number;
  readonly maxSessions?: number;
  readonly operatorTls?: OperatorTls;
  readonly maxMessageBytes?: number;
  readonly totalBytes?: number;
  readonly connectTimeoutMs?: number;
  readonly stuckPeerTimeoutMs?: number;
  /** Directory that is the target's root. Default: there is none, and no path is found. */
  readonly rootFd?: number;
  readonly handleFile?: SessionFiles["handle"];
  /** Makes the incoming traffic; without it there is no target. */
  readonly incoming?: (log: Log, metrics: Metrics, budget: MemoryBudget) => IncomingTraffic;
  readonly environment?: ReadonlyMap<string, string>;
  /** What of the target is out of reach. Default nothing. */
  readonly refusals?: Partial<Services["refusals"]>;
  readonly lookup?: (node: string) => Promise<readonly LookupRecord[]>;
}

/** Serves sessions on a loopback port. */
export class AgentUnderTest implements AsyncDisposable {
  readonly log = new RecordedLog();
  readonly metrics = new Metrics();
  readonly work = new CurrentWork();
  readonly budget: MemoryBudget;
  readonly sessions: Sessions;
  readonly #acceptor: Acceptor;

  private constructor(listening: ReturnType<typeof takeListeningSocket>, options: AgentUnderTestOptions) {
    const { deafTimeoutMs = 60_000, silentTimeoutMs = 0, maxSessions = 1000, operatorTls = null } = options;
    const { maxMessageBytes = 8 << 20, totalBytes = 32 << 20, handleFile, lookup, refusals } = options;
    const { environment = new Map([["NAME", "value"]]) } = options;
    const { connectTimeoutMs = 5000, stuckPeerTimeoutMs = 30_000, rootFd = -1 } = options;
    const paths = new TargetPaths(rootFd);
    this.budget = new MemoryBudget({ totalBytes, shareMaxBytes: 512 * 1024 });
    const incoming = options.incoming?.(this.log, this.metrics, this.budget);
    const services: Services = {
      log: this.log,
      metrics: this.metrics,
      work: this.work,
      limits: {
        maxMessageBytes,
        maxPendingBytes: 512 * 1024,
        maxConnections: 128,
        deafTimeoutMs,
        silentTimeoutMs,
        connectTimeoutMs,
        stuckPeerTimeoutMs,
      },
      budget: this.budget,
      buffers: new ReceiveBuffers(),
      answerBuffers: new AnswerBuffers(),
      turnEnd: createTurnEnd((error) => this.log.event("AGENT_BUG", { error: String(error) })),
      writer: new Writer({ copyMaxBytes: 16 * 1024, scratchBytes: 64 * 1024 }),
      environment,
      selectEnvironment: (all) => Promise.resolve(all),
      openFiles: () => ({ handle: handleFile ?? (() => Promise.resolve(undefined)), [Symbol.asyncDispose]: () => Promise.resolve() }),
      openLocator: () => (path) => paths.locate("root", path),
      resolver: {
        lookup: ({ node }) => (lookup === undefined ? Promise.resolve([]) : lookup(node)),
        reverse: () => Promise.resolve("name"),
      },
      networkRefusal: null,
      refusals: { files: null, environment: null, ...refusals },
      joinIncoming: incoming === undefined ? null : (link, onRelief) => incoming.join(link, onRelief),
    };
    this.sessions = new Sessions({ services, maxSessions, operatorTls });
    this.#acceptor = listening.accept((accepted) => this.sessions.add(accepted));
  }

  static async start(options: AgentUnderTestOptions = {}): Promise<AgentUnderTest> {
    const server = createServer();
    const socket = new Promise<ReturnType<typeof takeListeningSocket>>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve(takeListeningSocket(server)));
    });
    return new AgentUnderTest(await socket, options);
  }

  get port(): number {
    return this.#acceptor.port;
  }

  async client(): Promise<Client> {
    const socket = connect(this.port, "127.0.0.1");
    await once(socket, "connect");
    return new Client(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]();
    this.#acceptor[Symbol.dispose]();
  }
}

/** A client that sends what it is told and collects what comes. */
export class Client implements Disposable {
  readonly socket: Socket;
  readonly messages: DaemonMessage[] = [];
  readonly #decoder = new StreamDecoder(DaemonMessage);
  readonly #writer = new Writer();
  readonly closed: Promise<void>;
  #onMessage: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        resolve();
        this.#onMessage?.();
      }),
    );
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.#decoder.feed(chunk);
      for (let message = this.#decoder.next(); message !== undefined; message = this.#decoder.next()) this.messages.push(message);
      this.#onMessage?.();
    });
  }

  send(...messages: readonly ClientMessage[]): void {
    for (const message of messages) ClientMessage.write(this.#writer, message);
    this.socket.cork();
    for (const segment of this.#writer.take()) this.socket.write(segment);
    this.socket.uncork();
  }

  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The first message that came or will come of a kind, taken out of `messages`. */
  async next<K extends DaemonMessage["kind"]>(kind: K): Promise<Extract<DaemonMessage, { kind: K }>> {
    for (;;) {
      const at = this.messages.findIndex((message) => message.kind === kind);
      if (at >= 0) return this.messages.splice(at, 1)[0] as Extract<DaemonMessage, { kind: K }>;
      if (this.socket.closed) throw new Error(`the connection ended before ${kind} came`);
      await new Promise<void>((resolve) => (this.#onMessage = resolve));
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Waits until a server listens on a loopback port of the kernel's choice. */
export async function listening(server: Server): Promise<Server> {
  if (server.listening) return server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
