// Unix sockets, for what `node:net` lacks: names of any bytes, the name that the other side bound, and packets (SOCK_SEQPACKET). No call
// here waits, except that a path may lie on a slow file system. Source of the rules: unix(7), recv(2).

import { closeSync } from "node:fs";
import { EAGAIN, EINVAL } from "./errno.ts";
import { SystemCallError, loadKoffi, systemCall } from "./systemCall.ts";

/** Bytes in order, or packets that keep their boundaries. */
export type UnixSocketType = "stream" | "seqpacket";

/** What a socket is bound to. Names and paths are copies. */
export type UnixName =
  | { readonly kind: "pathname"; readonly path: Uint8Array }
  /** Without the leading zero byte. */
  | { readonly kind: "abstract"; readonly name: Uint8Array }
  | { readonly kind: "unnamed" };

/** Longest path, without its terminating zero byte, and longest abstract name, without its leading one. */
export const unixNameMaxBytes = 107;

const AF_UNIX = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const socketTypes: Readonly<Record<UnixSocketType, number>> = { stream: 1, seqpacket: 5 };
const SHUT_WR = 1;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const MSG_PEEK = 0x02;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const familyBytes = 2;
const sockaddrUnMaxBytes = 110;

const socketCall = systemCall("socket", "int socket(int family, int type, int protocol)");
const connectCall = systemCall("connect", "int connect(int fd, const void *address, uint32_t length)");
const bindCall = systemCall("bind", "int bind(int fd, const void *address, uint32_t length)");
const listenCall = systemCall("listen", "int listen(int fd, int backlog)");
const acceptCall = systemCall("accept4", "int accept4(int fd, void *address, void *length, int flags)");
const getpeername = systemCall("getpeername", "int getpeername(int fd, void *address, void *length)");
const shutdownCall = systemCall("shutdown", "int shutdown(int fd, int how)");
const setsockopt = systemCall("setsockopt", "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
const recvfrom = systemCall("recvfrom", "int64_t recvfrom(int fd, void *buffer, size_t size, int flags, void *address, void *length)");
const sendCall = systemCall("send", "int64_t send(int fd, const void *bytes, size_t size, int flags)");

/** A new non-blocking socket in the network namespace of the calling thread. The caller closes it. */
export function unixSocket(type: UnixSocketType): number {
  return socketCall.sync(AF_UNIX, socketTypes[type] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/**
 * Connects to an abstract name. The kernel finds it in memory, so this cannot wait.
 *
 * @throws SystemCallError ECONNREFUSED when nobody listens there with this type, EAGAIN when the listener's queue is full (try again
 *   later), EINVAL for a name over {@link unixNameMaxBytes}.
 */
export function connectAbstract(fd: number, name: Uint8Array): void {
  const address = sockaddrUn({ kind: "abstract", name }, "connect");
  connectCall.sync(fd, address, address.length);
}

/**
 * Connects to a path, in libuv's pool, since looking at a path may wait. The descriptor must stay open until it settles.
 *
 * @throws SystemCallError as {@link connectAbstract}, and those of finding the path. ECONNREFUSED also when the file is no socket, EPROTOTYPE
 *   when it is one of another type.
 */
export async function connectPath(fd: number, path: Uint8Array): Promise<void> {
  const address = sockaddrUn({ kind: "pathname", path }, "connect");
  await connectCall.async(fd, address, address.length);
}

/** What the other side of a connected socket is bound to: for the one who connected, the name of the listener. */
export function peerName(fd: number): UnixName {
  const address = Buffer.alloc(sockaddrUnMaxBytes);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  getpeername.sync(fd, address, length);
  const name = address.subarray(familyBytes, length.readUInt32LE());
  if (name.length === 0) return { kind: "unnamed" };
  if (name[0] === 0) return { kind: "abstract", name: Uint8Array.from(name.subarray(1)) };
  const end = name.indexOf(0);
  return { kind: "pathname", path: Uint8Array.from(end < 0 ? name : name.subarray(0, end)) };
}

/**
 * Listens on a name. Synchronous, also for a path: for peers of tests and tools, not while serving.
 *
 * @param backlog connections that may wait to be accepted.
 * @returns a non-blocking descriptor, which the caller closes.
 */
export function listenUnix(type: UnixSocketType, name: UnixName, backlog: number): number {
  const address = sockaddrUn(name, "bind");
  const fd = unixSocket(type);
  try {
    bindCall.sync(fd, address, address.length);
    listenCall.sync(fd, backlog);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** Takes one waiting connection as a non-blocking descriptor, which the caller closes; null when none waits. */
export function acceptUnix(fd: number): number | null {
  const accepted = acceptCall.attempt(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted === -EAGAIN) return null;
  if (accepted < 0) throw new SystemCallError(-accepted, "accept4");
  return accepted;
}

/** Ends our direction; the other side reads on to the end. Nothing happens when the connection is gone. */
export function shutdownWrite(fd: number): void {
  shutdownCall.attempt(fd, SHUT_WR);
}

/** Lets packets be as large as the system allows anybody (net.core.wmem_max), where the default allows less. */
export function raiseSendBuffer(fd: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(2 ** 30);
  setsockopt.attempt(fd, SOL_SOCKET, SO_SNDBUF, bytes, bytes.length);
}

/** What {@link receivePacket} found. */
export type Received =
  /** A whole packet, in memory of its own. */
  | { readonly kind: "packet"; readonly bytes: Uint8Array }
  /** A packet without bytes. */
  | { readonly kind: "empty" }
  /** A packet larger than was asked for; it stays where it is. */
  | { readonly kind: "tooLarge"; readonly length: number }
  /** Nothing yet. */
  | { readonly kind: "nothing" }
  /** The other side ended its direction. */
  | { readonly kind: "end" };

/**
 * Takes one packet from a connected seqpacket socket, whole or not at all. Descriptors that came with it are closed by the kernel.
 *
 * @throws SystemCallError ECONNRESET when the other side closed without having read everything.
 */
export function receivePacket(fd: number, maxBytes: number): Received {
  const length = recvfrom.attempt(fd, null, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, null, null);
  if (length === -EAGAIN) return { kind: "nothing" };
  if (length < 0) throw new SystemCallError(-length, "recvfrom");
  if (length === 0) return receiveNoBytes(fd);
  if (length > maxBytes) return { kind: "tooLarge", length };
  const bytes = Buffer.allocUnsafe(length);
  const received = recvfrom.attempt(fd, bytes, length, MSG_DONTWAIT | MSG_TRUNC, null, null);
  if (received < 0) throw new SystemCallError(-received, "recvfrom");
  if (received !== length) throw new TypeError("somebody else reads from the socket");
  return { kind: "packet", bytes };
}

/** A packet without bytes names its sender, which is bound to the listener's name; an end has no sender. */
function receiveNoBytes(fd: number): Received {
  const address = Buffer.alloc(sockaddrUnMaxBytes);
  const addressLength = Buffer.alloc(4);
  addressLength.writeUInt32LE(address.length);
  const received = recvfrom.attempt(fd, null, 0, MSG_DONTWAIT, address, addressLength);
  if (received < 0 && received !== -EAGAIN) throw new SystemCallError(-received, "recvfrom");
  return { kind: addressLength.readUInt32LE() > 0 ? "empty" : "end" };
}

/**
 * Sends one packet, whole or not at all.
 *
 * @returns false when there is no room for it now.
 * @throws SystemCallError EMSGSIZE when it can never be sent, EPIPE when the other side is gone, ECONNRESET.
 */
export function sendPacket(fd: number, bytes: Uint8Array): boolean {
  const sent = sendCall.attempt(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent === -EAGAIN) return false;
  if (sent < 0) throw new SystemCallError(-sent, "send");
  return true;
}

/** Tells when a socket can be read from or written to. Keeps the process alive while it watches. */
export interface SocketWatch extends Disposable {
  /** What to look for from now on; nothing stops it. */
  want(events: { readonly readable: boolean; readonly writable: boolean }): void;
}

/**
 * Calls `onReady` in every turn of the event loop in which something wanted is possible. A socket in error is ready once, and then watched no
 * more until `want` is called again: a call on it says which error.
 *
 * @param fd stays the caller's, and must stay open until the watch is disposed of.
 */
export function watchSocket(fd: number, onReady: () => void): SocketWatch {
  let isClosed = false;
  let isDue = false;
  let wanted = 0;
  // The poll's own callback is none of Node's: promises settled in it would wait for the next one that is, and so might what follows.
  const onPoll = (status: unknown): void => {
    // In error: libuv watches no more.
    if (typeof status === "number" && status < 0) wanted = 0;
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      if (!isClosed) onReady();
    });
  };
  const handle = loadKoffi().node.poll(fd, { readable: true }, onPoll);
  handle.stop();
  return {
    want({ readable, writable }) {
      const next = (readable ? 1 : 0) + (writable ? 2 : 0);
      // Starting again costs system calls, even for the same.
      if (isClosed || next === wanted) return;
      wanted = next;
      if (next > 0) handle.start({ readable, writable }, onPoll);
      else handle.stop();
    },
    [Symbol.dispose]() {
      if (isClosed) return;
      isClosed = true;
      handle.close();
    },
  };
}

function sockaddrUn(name: UnixName, syscall: string): Buffer {
  const path =
    name.kind === "unnamed" ? Buffer.alloc(0) : name.kind === "abstract" ? abstractPath(name.name) : terminated(name.path, syscall);
  if (path.length > unixNameMaxBytes + 1) throw new SystemCallError(EINVAL, syscall);
  const address = Buffer.alloc(familyBytes + path.length);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(path, familyBytes);
  return address;
}

function abstractPath(name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(0), name]);
}

function terminated(path: Uint8Array, syscall: string): Buffer {
  if (path.length === 0 || path.includes(0)) throw new SystemCallError(EINVAL, syscall);
  return Buffer.concat([path, Buffer.of(0)]);
}
