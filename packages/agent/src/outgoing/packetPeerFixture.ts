// For tests: a listening seqpacket socket in this process, and what it accepts. Node has none.

import { closeSync } from "node:fs";
import {
  acceptUnix,
  closeSocket,
  listenUnix,
  receivePacket,
  sendPacket,
  shutdownWrite,
  type SocketWatch,
  type UnixName,
  watchSocket,
} from "@understudy/native";

/** The peer's end of one connection. It reads when asked only. */
export class PacketPeer implements Disposable {
  readonly #fd: number;
  readonly #watch: SocketWatch;
  #onReady: (() => void) | null = null;
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
    this.#watch = watchSocket(fd, () => {
      this.#watch.want({ readable: false, writable: false });
      this.#onReady?.();
    });
  }

  /** The next packet; null at the end. */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const received = receivePacket(this.#fd, 1 << 26);
      if (received.kind === "packet") return received.bytes;
      if (received.kind === "end") return null;
      if (received.kind === "nothing") await this.#ready(true);
    }
  }

  async send(bytes: Uint8Array): Promise<void> {
    while (!sendPacket(this.#fd, bytes)) await this.#ready(false);
  }

  end(): void {
    shutdownWrite(this.#fd);
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch[Symbol.dispose]();
    closeSocket(this.#fd);
  }

  #ready(readable: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#onReady = resolve;
      this.#watch.want({ readable, writable: !readable });
    });
  }
}

/** Calls `serve` with every connection. A path must be short enough to be bound. */
export function listenForPackets(name: UnixName, serve: (peer: PacketPeer) => void): Disposable {
  const fd = listenUnix("seqpacket", name, 64);
  const watch = watchSocket(fd, () => {
    for (let accepted = acceptUnix(fd); accepted !== null; accepted = acceptUnix(fd)) serve(new PacketPeer(accepted));
  });
  watch.want({ readable: true, writable: false });
  return {
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      closeSync(fd);
    },
  };
}

/** Sends every packet back, and its end, too. */
export async function echoPackets(peer: PacketPeer): Promise<void> {
  for (let bytes = await peer.next(); bytes !== null; bytes = await peer.next()) await peer.send(bytes);
  peer.end();
}
