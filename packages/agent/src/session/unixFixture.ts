// For tests: a directory that stands for a target's root with unix sockets in it, beside one that nothing may reach, and the wire's form of
// their addresses.

import { closeSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { AT_FDCWD, O_DIRECTORY, O_PATH, openat2Sync } from "@understudy/native";
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

export function unixPath(value: string): SocketAddress {
  return { kind: "unix", value: { kind: "pathname", value } };
}

export function abstractName(value: Uint8Array): SocketAddress {
  return { kind: "unix", value: { kind: "abstract", value: Uint8Array.from(value) } };
}
