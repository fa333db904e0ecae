// Accepting connections on a listening socket by hand. libuv's own way has no pause: when no descriptor is free it accepts and
// closes what waits (its "EMFILE trick"), without telling anybody. What waits in the kernel's queue instead only waits.
//
// All calls are synchronous and do not wait; sockets belong to the network namespace they were made in, whichever the thread is in.

import { closeSync } from "node:fs";
import { EAGAIN } from "./errno.ts";
import { readSockaddr, type SocketAddress } from "./socketAddress.ts";
import { SystemCallError, loadKoffi, systemCall } from "./systemCall.ts";

const fcntl = systemCall("fcntl", "int fcntl(int fd, int command, int argument)");
const accept4 = systemCall("accept4", "int accept4(int fd, void *address, void *length, int flags)");
const getsockname = systemCall("getsockname", "int getsockname(int fd, void *address, void *length)");
const setsockopt = systemCall("setsockopt", "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");

const F_DUPFD_CLOEXEC = 1030;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const sockaddrIn6Size = 28;

/** A second descriptor of the same open file, closed on exec. The caller closes it. */
export function duplicate(fd: number): number {
  return fcntl.sync(fd, F_DUPFD_CLOEXEC, 0);
}

/**
 * Takes one waiting connection.
 *
 * @param fd a listening, non-blocking TCP socket.
 * @returns a non-blocking descriptor, which the caller closes, and the peer's address; null when none waits.
 * @throws SystemCallError EMFILE, ENFILE, ENOBUFS or ENOMEM for want of room (the connection goes on waiting), ECONNABORTED and
 *   others when the connection has failed meanwhile: the next may be fine.
 */
export function acceptConnection(fd: number): { readonly fd: number; readonly remote: SocketAddress } | null {
  const { address, length } = addressBuffers();
  const accepted = accept4.attempt(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted === -EAGAIN) return null;
  if (accepted < 0) throw new SystemCallError(-accepted, "accept4");
  return { fd: accepted, remote: addressOf(address) };
}

/** The socket's own address. */
export function ownAddress(fd: number): SocketAddress {
  const { address, length } = addressBuffers();
  getsockname.sync(fd, address, length);
  return addressOf(address);
}

/** Closes a socket of this file; never waits, since none of them lingers with data to send. */
export function closeSocket(fd: number): void {
  closeSync(fd);
}

/** Closes a connected TCP socket so that the peer sees a reset. The descriptor is closed even if that cannot be arranged. */
export function closeWithReset(fd: number): void {
  resetOnClose(fd);
  closeSync(fd);
}

/** Whoever closes the connected TCP socket resets the connection by it, and what was not sent yet is dropped. */
export function resetOnClose(fd: number): void {
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  setsockopt.attempt(fd, SOL_SOCKET, SO_LINGER, linger, linger.length);
}

/** Watches a descriptor. Keeps the process alive while it watches. */
export interface ReadableWatch extends Disposable {
  start(): void;
  stop(): void;
}

/**
 * Calls `onReadable` in every turn of the event loop in which a descriptor is readable, once started.
 *
 * @param fd stays the caller's, and must stay open until the watch is disposed of.
 */
export function watchReadable(fd: number, onReadable: () => void): ReadableWatch {
  const handle = loadKoffi().node.poll(fd, { readable: true }, onReadable);
  handle.stop();
  let isClosed = false;
  return {
    start() {
      if (!isClosed) handle.start({ readable: true }, onReadable);
    },
    stop() {
      if (!isClosed) handle.stop();
    },
    [Symbol.dispose]() {
      if (isClosed) return;
      isClosed = true;
      handle.close();
    },
  };
}

function addressBuffers(): { address: Buffer; length: Buffer } {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(sockaddrIn6Size);
  return { address: Buffer.alloc(sockaddrIn6Size), length };
}

function addressOf(bytes: Buffer): SocketAddress {
  const address = readSockaddr(bytes);
  if (address === null) throw new TypeError("the socket is neither IPv4 nor IPv6");
  return address;
}
