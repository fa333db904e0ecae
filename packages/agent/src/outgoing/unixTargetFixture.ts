// For tests: a directory that stands for a target's root with unix sockets in it, beside one that nothing may reach, and the wire's form of
// their addresses.

import { closeSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import {
  acceptUnix,
  AT_FDCWD,
  connectAbstract,
  listenUnix,
  O_DIRECTORY,
  O_PATH,
  openat2Sync,
  unixSocket,
  type UnixSocketType,
} from "@understudy/native";
import type { SocketAddress } from "@understudy/protocol";

export class UnixTarget implements Disposable {
  /** Holds `root` and `outside`. */
  readonly base = realpathSync(mkdtempSync(path.join(tmpdir(), "us-")));
  readonly root = path.join(this.base, "root");
  readonly outside = path.join(this.base, "outside");
  readonly rootFd: number;
  readonly #servers: Server[] = [];

  constructor() {
    mkdirSync(this.root);
    mkdirSync(this.outside);
    this.rootFd = openat2Sync(AT_FDCWD, this.root, O_PATH | O_DIRECTORY, 0, 0);
  }

  /** Listens on a path of this machine, or on an abstract name with its leading zero byte. */
  async listen(name: string, serve: (socket: Socket) => void, options: { readonly pauseOnConnect?: boolean } = {}): Promise<void> {
    const server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
      socket.on("error", () => undefined);
      serve(socket);
    });
    server.listen(name);
    await once(server, "listening");
    this.#servers.push(server);
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close();
    closeSync(this.rootFd);
    rmSync(this.base, { recursive: true });
  }
}

/** A listener that accepts only when told to. */
export class SilentListener implements Disposable {
  readonly #fd: number;
  readonly #accepted: number[] = [];

  /** @param name a path of this machine, or the bytes of an abstract name. */
  constructor(type: UnixSocketType, name: string | Uint8Array, backlog = 4) {
    const bytes = typeof name === "string" ? Buffer.from(name) : name;
    this.#fd = listenUnix(type, typeof name === "string" ? { kind: "pathname", path: bytes } : { kind: "abstract", name: bytes }, backlog);
  }

  /** Takes one waiting connection, which is kept open; false when none waits. */
  accept(): boolean {
    const fd = acceptUnix(this.#fd);
    if (fd !== null) this.#accepted.push(fd);
    return fd !== null;
  }

  [Symbol.dispose](): void {
    for (const fd of [...this.#accepted, this.#fd]) closeSync(fd);
  }
}

/** A connection of the test's own, which takes a place in a listener's queue. */
export function occupy(name: Uint8Array): Disposable {
  const fd = unixSocket("stream");
  connectAbstract(fd, name);
  return { [Symbol.dispose]: () => closeSync(fd) };
}

export function unixPath(value: string): SocketAddress {
  return { kind: "unix", value: { kind: "pathname", value } };
}

export function abstractName(value: Uint8Array): SocketAddress {
  return { kind: "unix", value: { kind: "abstract", value: Uint8Array.from(value) } };
}
