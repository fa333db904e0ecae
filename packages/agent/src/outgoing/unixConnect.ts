// Finds and connects unix sockets of the target. A path is resolved by the kernel inside the target's root, whatever links it holds, and the
// socket found is connected to by its descriptor, so that nothing can be swapped in between. Abstract names belong to the network namespace.

import { close } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  closeSocket,
  connectAbstract,
  connectPath,
  EAGAIN,
  EINVAL,
  peerName,
  type UnixName,
  unixNameMaxBytes,
  unixSocket,
  type UnixSocketType,
} from "@understudy/native";
import type { SocketAddress, UnixAddr } from "@understudy/protocol";
import { errnoOf, remoteIoError, remoteKindError } from "../errors/remoteError.ts";

export interface UnixConnectOptions {
  /** Finds a path of the target; resolves to an O_PATH descriptor, which is closed here. */
  readonly locate: (path: string) => Promise<number>;
  /** Time for everything, in ms. */
  readonly timeoutMs: number;
  /** Gives up when it aborts. */
  readonly signal: AbortSignal;
}

/** A connected, non-blocking socket. Whoever gets it closes it. */
export interface ConnectedUnixSocket {
  readonly fd: number;
  /** The name that the listener is bound to, which need not be the one asked for. */
  readonly peer: SocketAddress;
}

/** What a connector's own end is bound to: nothing. */
export const unnamed: SocketAddress = { kind: "unix", value: { kind: "unnamed" } };

/** Rests between two tries of a listener whose queue is full, which the kernel does not tell the end of. */
const FIRST_REST_MS = 2;
const LONGEST_REST_MS = 100;

/** Rejects with a `RemoteError` or the system's error. */
export async function connectUnix(address: UnixAddr, type: UnixSocketType, options: UnixConnectOptions): Promise<ConnectedUnixSocket> {
  const { locate, timeoutMs, signal } = options;
  if (signal.aborted) throw remoteKindError({ kind: "connectionAborted" }, "session ended");
  const givenUp = new AbortController();
  const { promise: never, reject } = Promise.withResolvers<never>();
  const giveUp = (error: Error): void => {
    reject(error);
    givenUp.abort();
  };
  const timer = setTimeout(() => giveUp(remoteKindError({ kind: "timedOut" }, "connect timed out")), timeoutMs);
  const onAbort = (): void => giveUp(remoteKindError({ kind: "connectionAborted" }, "session ended"));
  signal.addEventListener("abort", onAbort);
  try {
    // What goes on after it was given up closes what it has by itself.
    return await Promise.race([connect(address, type, locate, givenUp.signal), never]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

async function connect(
  address: UnixAddr,
  type: UnixSocketType,
  locate: UnixConnectOptions["locate"],
  givenUp: AbortSignal,
): Promise<ConnectedUnixSocket> {
  checkName(address);
  const fd = unixSocket(type);
  try {
    if (address.kind === "abstract") await whenQueued(givenUp, () => connectAbstract(fd, address.value));
    else if (address.kind === "pathname") await connectLocated(fd, await locate(address.value), givenUp);
    givenUp.throwIfAborted();
    return { fd, peer: { kind: "unix", value: unixAddr(peerName(fd)) } };
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

async function connectLocated(fd: number, locatedFd: number, givenUp: AbortSignal): Promise<void> {
  try {
    // By this name the kernel takes the very file that was found. It is short, too, whatever the path was.
    const path = Buffer.from(`/proc/self/fd/${locatedFd}`);
    await whenQueued(givenUp, () => connectPath(fd, path));
  } finally {
    close(locatedFd, () => undefined);
  }
}

/** Tries until there is a place in the listener's queue. */
async function whenQueued(givenUp: AbortSignal, attempt: () => void | Promise<void>): Promise<void> {
  for (let restMs = FIRST_REST_MS; ; restMs = Math.min(restMs * 2, LONGEST_REST_MS)) {
    givenUp.throwIfAborted();
    try {
      await attempt();
      return;
    } catch (error) {
      if (errnoOf(error) !== EAGAIN) throw error;
    }
    await sleep(restMs, undefined, { signal: givenUp });
  }
}

/** What no listener can have is refused without asking the kernel. An empty name is what connect(2) calls invalid; for the rest there is no errno. */
function checkName(address: UnixAddr): void {
  if (address.kind === "unnamed") throw remoteKindError({ kind: "other" }, "an unnamed unix socket cannot be connected to");
  const bytes = address.kind === "pathname" ? Buffer.byteLength(address.value) : address.value.length;
  if (bytes === 0) throw remoteIoError(EINVAL, "connect to an empty unix socket name");
  if (bytes > unixNameMaxBytes)
    throw remoteKindError({ kind: "invalidInput" }, `unix socket name of ${bytes} bytes exceeds ${unixNameMaxBytes}`);
}

/** Paths are text on the wire: a byte that is no UTF-8 becomes U+FFFD. */
function unixAddr(name: UnixName): UnixAddr {
  switch (name.kind) {
    case "pathname":
      return { kind: "pathname", value: Buffer.from(name.path).toString() };
    case "abstract":
      return { kind: "abstract", value: name.name };
    case "unnamed":
      return name;
  }
}
