// TCP and unix stream connections that the agent makes for a client, from the target's network and file system. Bytes go through unchanged
// and in order, both directions on their own; a slow end only pauses what feeds it.

import { connect as connectSocket, isIP, isIPv6, type TcpNetConnectOpts } from "node:net";
import type { DaemonTcpOutgoing, LayerTcpOutgoing, Result, ResponseError, DaemonConnect, SocketAddress, U64 } from "@understudy/protocol";
import { remoteIoError, remoteKindError, toResponseError } from "../errors/remoteError.ts";
import { systemErrorText } from "../errors/systemErrorText.ts";
import type { ReusedBuffer, SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import type { Gauge } from "../metrics/instruments.ts";
import { ByteSocket } from "../socket/byteSocket.ts";
import { RECEIVE_BUFFER_BYTES, type ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { StuckWatch } from "./stuckWatch.ts";
import { connectUnixStream, type ConnectedStream } from "./unixStream.ts";
import type { WaitingBytes } from "./waitingBytes.ts";

export interface TcpOutgoingOptions {
  readonly link: SessionLink;
  readonly log: Log;
  readonly buffers: ReceiveBuffers;
  /** Connections of all sessions. */
  readonly connectionCount: Gauge;
  /** Time for a connection to be made, in ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Time that a peer may take none of what is written to it, in ms. Default 30,000. */
  readonly stuckTimeoutMs?: number;
  /** Most connections of the session, those being made included. */
  readonly maxConnections: number;
  /** Counts what waits for the session's peers. */
  readonly waiting: WaitingBytes;
  /** Finds a path of the target; resolves to an O_PATH descriptor, which is the caller's to close. */
  readonly locate: (path: string) => Promise<number>;
  /** Called when `isOverfull` may have become false. */
  readonly onRelief: () => void;
}

const EMFILE = 24;
/** Connects begun in one turn of the event loop; the rest of a burst waits for the next, so that others have theirs in between. */
const CONNECTS_PER_TURN = 16;
/** How the protocol's clients know this kind of connection in a failure's text. */
const KIND_TEXT = "mirrord_agent::outgoing::tcp_unix::TcpOrUnixConnection";

/** All TCP connections of one session. */
export class TcpOutgoing implements Disposable {
  readonly #options: Required<TcpOutgoingOptions>;
  readonly #connections = new Map<U64, Connection>();
  /** Those above and those that the client closed while something waits for the peer. */
  readonly #open = new Set<Connection>();
  /** Connects without an id of their own: one at a time, in order. */
  readonly #ordered: SocketAddress[] = [];
  #isOrderedBusy = false;
  #nextId = 0;
  #connecting = 0;
  readonly #due: (() => void)[] = [];
  #begunThisTurn = 0;

  constructor(options: TcpOutgoingOptions) {
    this.#options = { connectTimeoutMs: 5000, stuckTimeoutMs: 30_000, ...options };
  }

  /** True while more connects wait for their turn than the session may have connections. */
  get isOverfull(): boolean {
    return this.#ordered.length > this.#options.maxConnections;
  }

  /** `buffer` owns the bytes of a write. */
  handle(message: LayerTcpOutgoing, buffer: ReusedBuffer): void {
    switch (message.kind) {
      case "connect":
        this.#ordered.push(message.value.remoteAddress);
        if (!this.#isOrderedBusy) void this.#connectInOrder();
        return;
      case "connectV2":
        void this.#connectWithId(message.value.uid, message.value.remoteAddress);
        return;
      case "write":
        this.#connections.get(message.value.connectionId)?.write(message.value.bytes, buffer);
        return;
      case "close":
        this.#connections.get(message.value.connectionId)?.close();
        return;
    }
  }

  [Symbol.dispose](): void {
    this.#ordered.length = 0;
    for (const connection of this.#open) connection.abandon();
  }

  /** Resolves when one more connect may begin. */
  #turn(): Promise<void> | null {
    if (this.#begunThisTurn === 0) setImmediate(() => this.#nextTurn());
    if (this.#begunThisTurn < CONNECTS_PER_TURN) {
      this.#begunThisTurn += 1;
      return null;
    }
    return new Promise((resolve) => this.#due.push(resolve));
  }

  #nextTurn(): void {
    const begin = this.#due.splice(0, CONNECTS_PER_TURN);
    this.#begunThisTurn = begin.length;
    if (begin.length > 0) setImmediate(() => this.#nextTurn());
    for (const resolve of begin) resolve();
  }

  async #connectInOrder(): Promise<void> {
    this.#isOrderedBusy = true;
    for (let address = this.#ordered.shift(); address !== undefined; address = this.#ordered.shift()) {
      await this.#connect(address, (connect) => this.#reply({ kind: "connect", value: connect }));
    }
    this.#isOrderedBusy = false;
    this.#options.onRelief();
  }

  async #connectWithId(uid: bigint, address: SocketAddress): Promise<void> {
    await this.#connect(address, (connect) => this.#reply({ kind: "connectV2", value: { uid, connect } }));
  }

  /** Connects and answers. The answer goes out before the connection may bring data. */
  async #connect(address: SocketAddress, answer: (connect: Result<DaemonConnect, ResponseError>) => void): Promise<void> {
    const { link, log, maxConnections } = this.#options;
    this.#connecting += 1;
    try {
      const turn = this.#turn();
      if (turn !== null) await turn;
      if (this.#open.size + this.#connecting > maxConnections) throw remoteIoError(EMFILE, "too many outgoing connections");
      const connected = await this.#connected(address);
      const connectionId = this.#nextId++;
      answer({ kind: "ok", value: { connectionId, ...connected.addresses() } });
      this.#adopt(connectionId, connected);
    } catch (error) {
      log.debug("outgoing connect failed", { session: link.id, error: String(error) });
      answer({ kind: "err", value: toResponseError(error) });
    } finally {
      this.#connecting -= 1;
    }
  }

  #connected(address: SocketAddress): Promise<ConnectedStream> {
    const { link, locate, connectTimeoutMs: timeoutMs, buffers } = this.#options;
    if (address.kind === "unix") return connectUnixStream(address.value, { locate, timeoutMs, signal: link.signal }, buffers);
    return Connecting.start(address.value, timeoutMs, link.signal, buffers);
  }

  #adopt(id: number, connected: ConnectedStream): void {
    const { link, connectionCount, stuckTimeoutMs, waiting } = this.#options;
    const connection = new Connection(id, connected.socket, {
      link,
      stuckTimeoutMs,
      reply: (message) => this.#options.link.stream({ kind: "tcpOutgoing", value: message }, connected.socket),
      onPending: waiting.track(),
      onGone: () => {
        if (this.#connections.delete(id)) connectionCount.add(-1);
      },
      onClosed: () => this.#open.delete(connection),
    });
    this.#connections.set(id, connection);
    this.#open.add(connection);
    connectionCount.add(1);
    connection.start();
  }

  #reply(message: DaemonTcpOutgoing): void {
    this.#options.link.reply({ kind: "tcpOutgoing", value: message });
  }
}

/** A connection in the making. */
class Connecting implements ConnectedStream {
  readonly socket: ByteSocket;

  private constructor(socket: ByteSocket) {
    this.socket = socket;
  }

  /** Rejects with the system's error, after the time-out, or when `signal` aborts. */
  static start(
    { ip, port }: { ip: string; port: number },
    timeoutMs: number,
    signal: AbortSignal,
    buffers: ReceiveBuffers,
  ): Promise<Connecting> {
    if (port === 0) return Promise.reject(remoteIoError(111, "connect to port 0"));
    return new Promise((resolve, reject) => {
      const options: TcpNetConnectOpts = { host: ip, port, family: isIP(ip), allowHalfOpen: true, noDelay: true };
      const socket = new ByteSocket((onread) => connectSocket({ ...options, onread }), buffers, {
        // The peer may speak before its connection has been announced to the client.
        bytes: () => false,
        closed: (error) => settle(() => reject(error ?? remoteKindError({ kind: "connectionAborted" }, "connect was given up"))),
      });
      // Nothing is read before the reader of the finished connection is there, so that no byte is lost.
      socket.pause();
      const fail = (error: Error): void =>
        settle(
          () => reject(error),
          () => socket.destroy(),
        );
      const onAbort = (): void => fail(remoteKindError({ kind: "connectionAborted" }, "session ended"));
      const timer = setTimeout(() => fail(remoteKindError({ kind: "timedOut" }, "connect timed out")), timeoutMs);
      const settle = (...steps: (() => void)[]): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        for (const step of steps) step();
      };
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      socket.socket.once("connect", () => settle(() => resolve(new Connecting(socket))));
    });
  }

  addresses(): { remoteAddress: SocketAddress; localAddress: SocketAddress } {
    const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = this.socket.socket;
    return {
      remoteAddress: { kind: "ip", value: { ip: plainIp(remoteAddress), port: remotePort } },
      localAddress: { kind: "ip", value: { ip: plainIp(localAddress), port: localPort } },
    };
  }
}

/** Without a scope, which the wire cannot express. */
function plainIp(text: string): string {
  const ip = text.split("%")[0]!;
  return isIP(ip) === 0 ? "0.0.0.0" : isIPv6(ip) ? ip.toLowerCase() : ip;
}

interface ConnectionOptions {
  readonly link: SessionLink;
  readonly stuckTimeoutMs: number;
  readonly reply: (message: DaemonTcpOutgoing) => void;
  /** Told how many bytes wait for the peer. */
  readonly onPending: (bytes: number) => void;
  /** The client knows the connection no longer. */
  readonly onGone: () => void;
  /** The socket is closed. */
  readonly onClosed: () => void;
}

/** One connection, from the answer to its connect until both directions ended. */
class Connection {
  readonly #id: number;
  readonly #socket: ByteSocket;
  readonly #options: ConnectionOptions;
  /** Bytes that wait for the peer, a kept receive buffer counted once and in full. */
  #pendingBytes = 0;
  /** The memory of the receive buffer that was counted last. */
  #countedBuffer: ArrayBufferLike | null = null;
  /** True once the client closed or the session ended: nothing more is told. */
  #isAbandoned = false;
  #withdraw: (() => void) | null = null;
  readonly #stuck: StuckWatch;

  constructor(id: number, socket: ByteSocket, options: ConnectionOptions) {
    this.#id = id;
    this.#socket = socket;
    this.#options = options;
    this.#stuck = new StuckWatch({
      timeoutMs: options.stuckTimeoutMs,
      progress: () => socket.unsentBytes,
      onStuck: () => socket.abort(remoteKindError({ kind: "timedOut" }, "timed out")),
    });
  }

  start(): void {
    this.#socket.reader = {
      bytes: (view) => this.#toClient(view),
      ended: () => {
        // Where our direction has ended, too, the close that follows says it all.
        if (!this.#isAbandoned && !this.#socket.socket.writableFinished) this.#tellRead(new Uint8Array(0));
      },
      drained: () => this.#setPending(0),
      closed: (error) => this.#closed(error),
    };
    if (this.#socket.isClosed) this.#closed(null);
    else this.#socket.resume();
  }

  /** Empty bytes end the client's direction after all earlier ones. */
  write(bytes: Uint8Array, buffer: ReusedBuffer): void {
    if (bytes.length === 0) {
      this.#socket.end();
      return;
    }
    const isKept = { value: false };
    const isDone = this.#socket.write(bytes, {
      keep: () => {
        isKept.value = true;
        buffer.keep();
      },
    });
    if (!isDone) this.#setPending(this.#pendingBytes + (isKept.value ? this.#countBuffer(bytes.buffer) : bytes.length));
  }

  /** What keeping the receive buffer adds: nothing when the last write lies in it, too. */
  #countBuffer(memory: ArrayBufferLike): number {
    if (memory === this.#countedBuffer) return 0;
    this.#countedBuffer = memory;
    return RECEIVE_BUFFER_BYTES;
  }

  /** The client closed: what it wrote is still delivered, nothing more is told. */
  close(): void {
    this.#isAbandoned = true;
    this.#withdraw?.();
    this.#options.onGone();
    this.#socket.reader = { bytes: () => true, drained: () => this.#setPending(0), closed: () => this.#over() };
    this.#socket.resume();
    this.#socket.close();
  }

  /** The session ended. A peer that has not got everything does not see an orderly end. */
  abandon(): void {
    const isIncomplete = this.#socket.backlog > 0;
    this.close();
    if (isIncomplete) this.#socket.abort();
    else this.#socket.destroy();
  }

  #toClient(view: Uint8Array): boolean {
    const { link } = this.#options;
    this.#tellRead(view);
    if (link.hasRoom) return true;
    this.#withdraw = link.whenRoom(() => {
      this.#withdraw = null;
      this.#socket.resume();
    });
    return false;
  }

  #tellRead(bytes: Uint8Array): void {
    this.#options.reply({ kind: "read", value: { kind: "ok", value: { connectionId: this.#id, bytes } } });
  }

  #over(): void {
    this.#setPending(0);
    this.#stuck[Symbol.dispose]();
    this.#options.onClosed();
  }

  #setPending(bytes: number): void {
    this.#pendingBytes = bytes;
    if (bytes === 0) this.#countedBuffer = null;
    this.#stuck.isWaiting = bytes > 0;
    this.#options.onPending(bytes);
  }

  #closed(error: Error | null): void {
    this.#over();
    this.#withdraw?.();
    this.#options.onGone();
    if (this.#isAbandoned) return;
    if (error !== null) this.#options.link.tell("warn", `outgoing connection ${this.#id} failed: ${systemErrorText(error)} (${KIND_TEXT})`);
    this.#options.reply({ kind: "close", value: this.#id });
  }
}
