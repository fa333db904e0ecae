// Where a redirected connection was going before the kernel's nat rules changed it.

import { readSockaddr, type SocketAddress } from "./socketAddress.ts";
import { SystemCallError, systemCall } from "./systemCall.ts";

const getsockopt = systemCall("getsockopt", "int getsockopt(int fd, int level, int name, void *value, void *length)");

// linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h; the two options have the same number.
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const sockaddrIn6Size = 28;

/**
 * The destination that the peer of a connected TCP socket asked for, from the kernel's connection tracking. Where nothing
 * translated the connection, that is the socket's own address. Synchronous, does not wait; the entry looked up is that of
 * the socket's network namespace, whichever the thread is in.
 *
 * @param fd a connected socket; it stays the caller's.
 * @param family of the socket's addresses; 4 also for IPv4-mapped ones on an IPv6 socket.
 * @returns null when the kernel does not know the connection: it is not tracked, its entry was deleted, or it is over.
 */
export function originalDestination(fd: number, family: 4 | 6): SocketAddress | null {
  const address = Buffer.alloc(sockaddrIn6Size);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(sockaddrIn6Size);
  try {
    getsockopt.sync(fd, family === 4 ? SOL_IP : SOL_IPV6, SO_ORIGINAL_DST, address, length);
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
  return readSockaddr(address);
}
