// A socket to the kernel's packet filter (NETLINK_NETFILTER), and one request over it. What an nftables table with an owner belongs to is such a
// socket: the table goes when the socket is closed, thus at the latest with the process. Source of the rules: netlink(7), linux/netfilter/nfnetlink.h.

import { closeSync } from "node:fs";
import { EAGAIN } from "./errno.ts";
import { SystemCallError, systemCall } from "./systemCall.ts";

const socket = systemCall("socket", "int socket(int domain, int type, int protocol)");
const bind = systemCall("bind", "int bind(int fd, const void *address, uint32_t length)");
const send = systemCall("send", "int64_t send(int fd, const void *buffer, size_t length, int flags)");
const recv = systemCall("recv", "int64_t recv(int fd, void *buffer, size_t length, int flags)");

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;
const MSG_DONTWAIT = 0x40;
const NLMSG_ERROR = 2;
const headerSize = 16;
/** Far more than any listing that is asked for takes. */
const answerMaxParts = 256;

/** The open socket, of the network namespace of the thread that opened it. Disposing it closes it, and with it go the tables it owns. */
export class NetfilterSocket implements Disposable {
  #fd: number | null;

  /** @throws SystemCallError */
  constructor() {
    const fd = socket.sync(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    this.#fd = fd;
    try {
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF_NETLINK);
      bind.sync(fd, address, address.length);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Asks a question and returns the answer, as the datagrams in which it came. One at a time.
   *
   * @throws SystemCallError with the kernel's reason when it refused.
   */
  async ask(question: Uint8Array): Promise<Buffer[]> {
    const parts: Buffer[] = [];
    for await (const part of this.#exchange(question)) {
      parts.push(part);
      if (parts.length > answerMaxParts) throw new RangeError(`more than ${answerMaxParts} parts in an answer of the packet filter`);
    }
    return parts;
  }

  /**
   * As `ask`, part by part, for answers of any length. Most of an answer is put together by the kernel while it is read, on this thread: rest in between.
   *
   * @throws SystemCallError with the kernel's reason when it refused.
   */
  parts(question: Uint8Array): AsyncGenerator<Buffer> {
    return this.#exchange(question);
  }

  /**
   * Sends one batch of messages, one batch at a time. The kernel does or refuses it in the course of the call, in the pool: another program's
   * transaction can hold it up.
   *
   * @throws SystemCallError with the kernel's reason when it refused; then nothing was changed.
   */
  async request(batch: Uint8Array): Promise<void> {
    for await (const _acknowledgement of this.#exchange(batch));
  }

  async *#exchange(messages: Uint8Array): AsyncGenerator<Buffer> {
    const fd = this.#fd;
    if (fd === null) throw new TypeError("the socket is closed");
    await send.async(fd, messages, messages.length, 0);
    for (;;) {
      // Large enough for whatever the kernel puts into one part.
      const answer = Buffer.alloc(32 * 1024);
      // The kernel has answered in the course of the sending, or goes on answering in the course of the reading.
      const length = recv.attempt(fd, answer, answer.length, MSG_DONTWAIT);
      if (length === -EAGAIN) return;
      if (length < 0) throw new SystemCallError(-length, "recv");
      const part = answer.subarray(0, length);
      const errno = firstError(part);
      if (errno !== 0) throw new SystemCallError(errno, "nfnetlink");
      yield part;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

/** Zero when all messages are acknowledgements. */
function firstError(messages: Buffer): number {
  let offset = 0;
  while (offset + headerSize + 4 <= messages.length) {
    const length = messages.readUInt32LE(offset);
    const errno = messages.readUInt16LE(offset + 4) === NLMSG_ERROR ? -messages.readInt32LE(offset + headerSize) : 0;
    if (errno !== 0 || length < headerSize) return errno;
    offset += (length + 3) & ~3;
  }
  return 0;
}
