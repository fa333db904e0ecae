// The connections of one kind that one session has or asked for: their ids, their number, the order of answers, and what the session's end
// closes. How a connection is made, and what goes through it, is the kind's own.

import { EMFILE, EPERM } from "@understudy/native";
import type { DaemonConnect, DaemonTcpOutgoing, ResponseError, Result, SocketAddress, U64 } from "@understudy/protocol";
import { remoteIoError, toResponseError } from "../errors/remoteError.ts";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import type { Gauge } from "../metrics/instruments.ts";
import { IdTable } from "../task/idTable.ts";
import { ConnectTurns } from "./connectTurns.ts";

/** A connection that the client knows by an id. */
export interface Connection {
  /** The table knows it now: from here on it may tell what happens. */
  start(): void;
  /** The client closed: what it wrote is still delivered, nothing more is told. */
  close(): void;
  /** The session ended. */
  abandon(): void;
}

/** What a connection tells its table. */
export interface ConnectionEvents {
  /** The client knows the connection no longer. */
  readonly onGone: () => void;
  /** The socket is closed; the last that is told. */
  readonly onClosed: () => void;
}

/** A connected peer. Whoever gets it calls one of both, in the same turn of the event loop. */
export interface Connected<C> {
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  /** Makes the connection that the client will know by `id`. It tells nothing before its `start`. */
  open(id: number, events: ConnectionEvents): C;
  /** Nobody wants it any more. */
  discard(): void;
}

/** What the connections of every kind have in common. */
export interface OutgoingOptions {
  readonly link: SessionLink;
  readonly log: Log;
  /** Connections of all sessions. */
  readonly connectionCount: Gauge;
  /** Most connections of the session, those being made or waiting for it included. More are refused with EMFILE, as a process that is out of descriptors has it. */
  readonly maxConnections: number;
  /** Why nothing may be connected to but what is in the target's file system; null or left out where all may. */
  readonly networkRefusal?: string | null;
}

export interface ConnectionTableOptions<C> extends OutgoingOptions {
  /** Rejects with what the client is told. It ends early when the session does. */
  readonly connect: (address: SocketAddress) => Promise<Connected<C>>;
  /** Tells the client what became of a connect. `uid` is null for one that had none. */
  readonly answer: (uid: bigint | null, connect: Result<DaemonConnect, ResponseError>) => void;
}

/** Connects without an id of their own. Refused ones keep their place among the others, and no memory. */
type Ordered = { readonly kind: "connect"; readonly address: SocketAddress } | { readonly kind: "refused"; count: number };

export class ConnectionTable<C extends Connection> implements Disposable {
  readonly #options: ConnectionTableOptions<C>;
  readonly #known = new IdTable<C>();
  /** Those above and those that the client closed while something waits for the peer. */
  readonly #open = new IdTable<C>();
  readonly #turns = new ConnectTurns();
  readonly #ordered: Ordered[] = [];
  #isOrderedBusy = false;
  #nextId = 0;
  /** Connects asked for and not answered yet, without those refused. */
  #pending = 0;

  constructor(options: ConnectionTableOptions<C>) {
    this.#options = options;
  }

  get(id: U64): C | undefined {
    return this.#known.get(id);
  }

  /** Connects and answers, with the id or an error. Without a `uid` one at a time, in the order of the calls. */
  connect(uid: bigint | null, address: SocketAddress): void {
    if (this.#options.link.signal.aborted) return;
    const isRefused = this.#open.size + this.#pending >= this.#options.maxConnections;
    if (!isRefused) this.#pending += 1;
    if (uid === null) this.#connectInOrder(isRefused ? null : address);
    else if (isRefused) this.#refuse(uid);
    else void this.#connect(uid, address);
  }

  [Symbol.dispose](): void {
    this.#ordered.length = 0;
    for (const connection of this.#open.values()) connection.abandon();
  }

  #connectInOrder(address: SocketAddress | null): void {
    const last = this.#ordered.at(-1);
    if (address !== null) this.#ordered.push({ kind: "connect", address });
    else if (last?.kind === "refused") last.count += 1;
    else this.#ordered.push({ kind: "refused", count: 1 });
    if (!this.#isOrderedBusy) void this.#workOff();
  }

  async #workOff(): Promise<void> {
    this.#isOrderedBusy = true;
    for (let next = this.#ordered.shift(); next !== undefined; next = this.#ordered.shift()) {
      if (next.kind === "connect") await this.#connect(null, next.address);
      else for (let i = 0; i < next.count; i++) this.#refuse(null);
    }
    this.#isOrderedBusy = false;
  }

  async #connect(uid: bigint | null, address: SocketAddress): Promise<void> {
    const { link, log, connect, answer, networkRefusal = null } = this.#options;
    try {
      const turn = this.#turns.next();
      if (turn !== null) await turn;
      if (link.signal.aborted) return;
      if (networkRefusal !== null && !isPath(address)) throw remoteIoError(EPERM, networkRefusal);
      const connected = await connect(address);
      if (link.signal.aborted) connected.discard();
      else this.#adopt(uid, connected);
    } catch (error) {
      log.debug("outgoing connect failed", { session: link.id, error: String(error) });
      answer(uid, { kind: "err", value: toResponseError(error) });
    } finally {
      this.#pending -= 1;
    }
  }

  /** The answer goes out before the connection may bring data. */
  #adopt(uid: bigint | null, connected: Connected<C>): void {
    const { connectionCount, answer } = this.#options;
    const { remoteAddress, localAddress } = connected;
    const connectionId = this.#nextId++;
    answer(uid, { kind: "ok", value: { connectionId, remoteAddress, localAddress } });
    const connection = connected.open(connectionId, {
      onGone: () => {
        if (this.#known.delete(connectionId)) connectionCount.add(-1);
      },
      onClosed: () => this.#open.delete(connectionId),
    });
    this.#known.set(connectionId, connection);
    this.#open.set(connectionId, connection);
    connectionCount.add(1);
    connection.start();
  }

  #refuse(uid: bigint | null): void {
    const error = remoteIoError(EMFILE, `more than ${this.#options.maxConnections} outgoing connections`);
    this.#options.answer(uid, { kind: "err", value: error.response });
  }
}

/** The answer of kinds that know connects with and without an id. */
export function connectAnswer(
  uid: bigint | null,
  connect: Result<DaemonConnect, ResponseError>,
): Extract<DaemonTcpOutgoing, { kind: "connect" | "connectV2" }> {
  return uid === null ? { kind: "connect", value: connect } : { kind: "connectV2", value: { uid, connect } };
}

function isPath(address: SocketAddress): boolean {
  return address.kind === "unix" && address.value.kind === "pathname";
}
