// What a SOCKS client says before its bytes go through: how it identifies itself, and what it asks for.

import { createHash, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import type { HostPort } from "../../hostPort.ts";
import { command, method, readAddress, reply, SOCKS_VERSION, SocksError, type Take } from "./socksMessages.ts";

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

export type SocksRequest =
  | { readonly kind: "connect"; readonly to: HostPort }
  /** `to` is where the client will send from, or zeros. */
  | { readonly kind: "udpAssociate"; readonly to: HostPort };

/** Takes bytes of a socket that nobody else reads until it is disposed, and no more than is asked for. */
export class SocketBytes implements Disposable {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  #wake: () => void = () => undefined;
  // One listener for all takes: adding one makes it called for bytes that are there already, again and again where they are too few.
  readonly #onMore = (): void => this.#wake();

  /** `signal` must abort when the socket closes. */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.on("readable", this.#onMore).on("end", this.#onMore);
    signal.addEventListener("abort", this.#onMore);
  }

  /** Rejects when the socket ends before, or the signal aborts. One call at a time. */
  readonly take: Take = async (length) => {
    if (length === 0) return Buffer.alloc(0);
    for (;;) {
      this.#signal.throwIfAborted();
      const bytes = this.#socket.read(length) as Buffer | null;
      if (bytes?.length === length) return bytes;
      // At its end a socket gives what is left.
      if (bytes !== null || this.#socket.readableEnded) throw new SocksError("the client ended in the middle of its request");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  };

  [Symbol.dispose](): void {
    this.#socket.off("readable", this.#onMore).off("end", this.#onMore);
    this.#signal.removeEventListener("abort", this.#onMore);
  }
}

/** @throws SocksError; what can be answered before it has been. */
export async function handshake(socket: Socket, take: Take, credentials: Credentials | null): Promise<SocksRequest> {
  const [version = 0, methods = 0] = await take(2);
  if (version !== SOCKS_VERSION) throw new SocksError(wrongVersion(version));
  const offered = await take(methods);
  const wanted = credentials === null ? method.noAuthentication : method.userAndPassword;
  if (!offered.includes(wanted)) {
    socket.write(Buffer.of(SOCKS_VERSION, method.noneAcceptable));
    throw new SocksError(
      credentials === null ? "the client offers only ways to identify itself that are not known" : "the client gives no user name",
    );
  }
  socket.write(Buffer.of(SOCKS_VERSION, wanted));
  if (credentials !== null) await authenticate(socket, take, credentials);
  return await readRequest(take);
}

/** RFC 1929. */
async function authenticate(socket: Socket, take: Take, credentials: Credentials): Promise<void> {
  const [version = 0, nameLength = 0] = await take(2);
  if (version !== 1) throw new SocksError(`version ${version} of user names, which there is not`);
  const name = await take(nameLength);
  const [passwordLength = 0] = await take(1);
  const password = await take(passwordLength);
  // Both are compared, always, so that the time tells nothing.
  const isKnown = [isEqual(name, credentials.name), isEqual(password, credentials.password)].every(Boolean);
  socket.write(Buffer.of(1, isKnown ? 0 : 1));
  if (!isKnown) throw new SocksError("a wrong user name or password");
}

function isEqual(given: Buffer, expected: string): boolean {
  const digest = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest();
  return timingSafeEqual(digest(given), digest(Buffer.from(expected)));
}

async function readRequest(take: Take): Promise<SocksRequest> {
  const [version = 0, asked = 0, reserved = 0] = await take(3);
  if (version !== SOCKS_VERSION) throw new SocksError(wrongVersion(version));
  if (reserved !== 0) throw new SocksError("a reserved byte that is not zero", reply.generalFailure);
  const to = await readAddress(take);
  switch (asked) {
    case command.connect:
      if (to.port === 0) throw new SocksError("a connection to port 0", reply.generalFailure);
      return { kind: "connect", to };
    case command.udpAssociate:
      return { kind: "udpAssociate", to };
    case command.bind:
      throw new SocksError("BIND is not supported: a peer of the target cannot connect to this machine", reply.commandNotSupported);
    default:
      throw new SocksError(`command ${asked}, which there is not`, reply.commandNotSupported);
  }
}

function wrongVersion(version: number): string {
  if (version === 4) return "the client speaks SOCKS 4: have it use socks5h";
  if (/[A-Za-z]/.test(String.fromCharCode(version)))
    return "the client does not speak SOCKS, maybe HTTP: that is what `understudy http-proxy` is for";
  return `version ${version} of SOCKS, which there is not`;
}
