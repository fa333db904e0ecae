// Accepts connections as descriptors and leaves it to the one who gets them when, and with which options, they become sockets. So an
// accepted socket can read into a reused buffer, for which a `net.Server` has no option.
//
// It accepts by itself instead of listening to the server's events, because libuv, when no descriptor is free, accepts and closes
// what waits without telling: peers would see their connections end. Here they wait in the kernel's queue until there is room.

import net from "node:net";
import {
  SystemCallError,
  acceptConnection,
  closeSocket,
  closeWithReset,
  duplicate,
  endWhenPeerVanishes,
  ownAddress,
  watchReadable,
} from "@understudy/native";
import type { ReadableWatch, SocketAddress, VanishedPeerTimes } from "@understudy/native";

/** What a socket is opened with. */
export interface OpenOptions {
  /** Buffer to read into, and who gets the bytes; without it the socket emits "data". */
  readonly onread?: net.OnReadOpts;
  /** Whether our direction outlives the other's end. Default false. */
  readonly allowHalfOpen?: boolean;
  /** When a peer that has vanished is noticed. Default: never, as long as nothing is sent. */
  readonly vanished?: VanishedPeerTimes;
}

/** One accepted connection. Whoever gets it calls `open` or `drop`, once; until then it keeps a descriptor. */
export interface AcceptedHandle {
  /** Descriptor of the connection, for questions to the kernel. Never close it. */
  readonly fd: number;
  /** Who connected. IPv4-mapped addresses are written as IPv4. */
  readonly remote: SocketAddress;
  /** The address it was accepted on. */
  readonly local: SocketAddress;
  /** Makes it a socket, which reads at once and is the caller's to end. */
  open(options?: OpenOptions): net.Socket;
  /** Closes it with a reset. */
  drop(): void;
}

/** What the owner may want to know of the accepting itself. */
export interface AcceptEvents {
  /**
   * Accepting rests for a moment because the kernel has no room (no free descriptor, no memory). Called once for each time without
   * room, however often it is tried in between.
   */
  paused?(error: SystemCallError): void;
  /**
   * No descriptor was free for 5 s: gets, one at a time, connections that wait, for a last word to their peers. With it one descriptor is held back for this. Without it all
   * wait until there is room.
   */
  crowded?(accepted: AcceptedHandle): void;
  /** A connection failed while it waited; the others are not concerned. */
  failed?(error: SystemCallError): void;
}

/** Accepting, as long as it lasts. Disposing it closes the listening socket; accepted connections live on. */
export interface Acceptor extends Disposable {
  readonly port: number;
}

/** A listening socket from which nothing is accepted yet: connections wait in the kernel's queue. */
export interface ListeningSocket extends Disposable {
  readonly port: number;
  /** Starts accepting; once. */
  accept(onHandle: (accepted: AcceptedHandle) => void, events?: AcceptEvents): Acceptor;
}

/** Rest before another try when there was no room. */
const pauseMs = 100;

/** Time without room after which those who wait are told so. */
const crowdedMs = 5000;

/** Connections taken in one turn of the event loop; the rest of a burst waits for the next. */
const acceptedPerTurn = 32;

const errorsForWantOfRoom: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

/**
 * Takes the listening socket away from a server, which is closed. Call it in the server's "listening" event: what the server
 * itself has accepted before is not handed over.
 */
export function takeListeningSocket(server: net.Server): ListeningSocket {
  // `_handle` is no public field. It is the only way to the descriptor; the version of Node is pinned, and a test uses it.
  const owned = (server as unknown as { readonly _handle: { readonly fd: number } | null })._handle?.fd;
  if (owned === undefined || owned < 0) throw new TypeError("the server does not listen");
  const fd = duplicate(owned);
  server.close();
  const { port } = ownAddress(fd);
  let acceptor: Acceptor | undefined;
  return {
    port,
    accept(onHandle, events = {}) {
      if (acceptor !== undefined) throw new TypeError("already accepting");
      acceptor = new AcceptingSocket(fd, port, onHandle, events);
      return acceptor;
    },
    [Symbol.dispose]() {
      acceptor ??= { port, [Symbol.dispose]: once(() => closeSocket(fd)) };
      acceptor[Symbol.dispose]();
    },
  };
}

/** Takes over a listening server's socket (see {@link takeListeningSocket}) and accepts from it until the result is disposed of. */
export function acceptHandles(server: net.Server, onHandle: (accepted: AcceptedHandle) => void, events?: AcceptEvents): Acceptor {
  return takeListeningSocket(server).accept(onHandle, events);
}

class AcceptingSocket implements Acceptor {
  readonly port: number;
  readonly #fd: number;
  readonly #onHandle: (accepted: AcceptedHandle) => void;
  readonly #events: AcceptEvents;
  readonly #watch: ReadableWatch;
  #isPaused = false;
  #isClosed = false;
  #pause: NodeJS.Timeout | undefined;
  #pausedAtMs = 0;
  /** A descriptor that is given up for one more connection. */
  #heldBack: number | null = null;

  constructor(fd: number, port: number, onHandle: (accepted: AcceptedHandle) => void, events: AcceptEvents) {
    this.port = port;
    this.#fd = fd;
    this.#onHandle = onHandle;
    this.#events = events;
    this.#watch = watchReadable(fd, () => this.#acceptWaiting());
    this.#watch.start();
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#pause);
    this.#watch[Symbol.dispose]();
    closeSocket(this.#fd);
    if (this.#heldBack !== null) closeSocket(this.#heldBack);
  }

  #acceptWaiting(): void {
    for (let taken = 0; taken < acceptedPerTurn && !this.#isClosed; taken += 1) {
      let connection: ReturnType<typeof acceptConnection>;
      try {
        // First: whoever comes next must find it.
        if (this.#events.crowded !== undefined) this.#heldBack ??= duplicate(this.#fd);
        connection = acceptConnection(this.#fd);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        if (errorsForWantOfRoom.has(error.code)) {
          this.#rest(error);
          return;
        }
        this.#events.failed?.(error);
        continue;
      }
      if (connection === null) return;
      this.#isPaused = false;
      this.#onHandle(new AcceptedDescriptor(connection.fd, connection.remote));
    }
  }

  #rest(error: SystemCallError): void {
    this.#watch.stop();
    this.#pause = setTimeout(() => this.#watch.start(), pauseMs);
    if (this.#isPaused) {
      if (performance.now() - this.#pausedAtMs >= crowdedMs) this.#turnAwayOne();
      return;
    }
    this.#isPaused = true;
    this.#pausedAtMs = performance.now();
    this.#events.paused?.(error);
  }

  #turnAwayOne(): void {
    if (this.#heldBack === null) return;
    closeSocket(this.#heldBack);
    this.#heldBack = null;
    try {
      const connection = acceptConnection(this.#fd);
      if (connection !== null) this.#events.crowded?.(new AcceptedDescriptor(connection.fd, connection.remote));
    } catch (error) {
      // Somebody else was faster to take the descriptor, or the peer has left: the next try tells.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }
}

class AcceptedDescriptor implements AcceptedHandle {
  readonly fd: number;
  readonly remote: SocketAddress;
  #isTaken = false;

  constructor(fd: number, remote: SocketAddress) {
    this.fd = fd;
    this.remote = unmapped(remote);
  }

  get local(): SocketAddress {
    return unmapped(ownAddress(this.fd));
  }

  open({ onread, allowHalfOpen = false, vanished }: OpenOptions = {}): net.Socket {
    this.#take();
    try {
      if (vanished !== undefined) endWhenPeerVanishes(this.fd, vanished);
      return new net.Socket({ fd: this.fd, readable: true, writable: true, allowHalfOpen, ...(onread && { onread }) });
    } catch (error) {
      closeSocket(this.fd);
      throw error;
    }
  }

  drop(): void {
    this.#take();
    closeWithReset(this.fd);
  }

  #take(): void {
    if (this.#isTaken) throw new TypeError("the connection was opened or dropped before");
    this.#isTaken = true;
  }
}

/** Writes an IPv4-mapped IPv6 address as the IPv4 address that it is. */
export function unmapped(address: SocketAddress): SocketAddress {
  const prefix = "::ffff:";
  if (!address.ip.startsWith(prefix) || !address.ip.includes(".")) return address;
  return { ip: address.ip.slice(prefix.length), port: address.port };
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
