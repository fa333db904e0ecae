// TCP sockets with a firewall mark, which must be set before the first packet leaves and `node:net` cannot set. Source of the rules: socket(7).

import { closeSync } from "node:fs";
import { systemCall } from "./systemCall.ts";

const families = { 4: 2, 6: 10 } as const;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_MARK = 36;

const socketCall = systemCall("socket", "int socket(int family, int type, int protocol)");
const setsockopt = systemCall("setsockopt", "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");

/**
 * A new non-blocking TCP socket in the network namespace of the calling thread, whose packets carry `mark`. The caller closes it.
 *
 * @throws SystemCallError EPERM without CAP_NET_ADMIN.
 */
export function markedTcpSocket(family: 4 | 6, mark: number): number {
  const fd = socketCall.sync(families[family], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(mark);
    setsockopt.sync(fd, SOL_SOCKET, SO_MARK, value, value.length);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
