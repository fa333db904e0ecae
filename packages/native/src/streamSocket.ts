// What a connected stream socket can do at once, in the calling turn of the event loop: for sockets that belong to Node, whose own way to the same takes a turn more.

import { EAGAIN } from "./errno.ts";
import { SystemCallError, systemCall } from "./systemCall.ts";

const MSG_PEEK = 0x2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const sendCall = systemCall("send", "int64_t send(int fd, const uint8_t *bytes, uint64_t length, int flags)");
const recvCall = systemCall("recv", "int64_t recv(int fd, uint8_t *bytes, uint64_t length, int flags)");

/**
 * Returns how many bytes the kernel took, from the first one on; 0 when it takes none now.
 *
 * @param fd stays the caller's. Nothing else may be waiting to be written to it.
 * @param hasMore the kernel may wait for what comes next, up to 200 ms, so that both leave together.
 * @throws SystemCallError EPIPE when the other side is gone, ECONNRESET.
 */
export function sendNow(fd: number, bytes: Uint8Array, hasMore = false): number {
  const sent = sendCall.attempt(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL | (hasMore ? MSG_MORE : 0));
  if (sent === -EAGAIN) return 0;
  if (sent < 0) throw new SystemCallError(-sent, "send");
  return sent;
}

/** Whether the other side has ended its direction and everything before that was read. Takes nothing away. */
export function isAtEnd(fd: number): boolean {
  return recvCall.attempt(fd, Buffer.alloc(1), 1, MSG_PEEK | MSG_DONTWAIT) === 0;
}
