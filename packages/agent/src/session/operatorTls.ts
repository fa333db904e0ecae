// TLS with the operator, the one client of an agent that was given the operator's certificate. The roles are turned round: the operator connects, and is the
// server in the handshake all the same. So it is the one that proves who it is; the agent shows nothing.

import { isIP, type Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { OperatorIdentity } from "./operatorCertificate.ts";

/** Time from a connection to the end of its handshake, in ms. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Handshakes at once. One more ends the oldest: who is the operator needs far less time than whoever says nothing. */
const MAX_HANDSHAKES = 256;

export interface OperatorTlsOptions {
  /** Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Default 256. */
  readonly maxHandshakes?: number;
}

export class OperatorTls {
  readonly #name: string;
  readonly #context: SecureContext;
  readonly #timeoutMs: number;
  readonly #maxHandshakes: number;
  /** Those under way, oldest first, each with what ends it. */
  readonly #underWay = new Set<(reason: string) => void>();

  constructor({ certificate, name }: OperatorIdentity, options: OperatorTlsOptions = {}) {
    this.#name = name;
    this.#context = createSecureContext({
      ca: [certificate],
      // It is trusted by itself, whoever signed it.
      allowPartialTrustChain: true,
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
    });
    this.#timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.#maxHandshakes = options.maxHandshakes ?? MAX_HANDSHAKES;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /**
   * Takes over a socket that was just accepted. Calls one of the two, once: `succeeded` with a socket that has to be read at once, or `failed` when the peer is not
   * the operator or does not prove it in time. The socket is destroyed then.
   */
  secure(raw: Socket, succeeded: (socket: TLSSocket) => void, failed: (reason: string) => void): void {
    if (this.#underWay.size >= this.#maxHandshakes) this.#endOldest();
    const secured = connect({
      socket: raw,
      secureContext: this.#context,
      rejectUnauthorized: true,
      host: this.#name,
      ...(isIP(this.#name) === 0 && { servername: this.#name }),
    });
    const settle = (): void => {
      clearTimeout(timer);
      this.#underWay.delete(end);
      secured.off("secureConnect", onSecure).off("error", onError).off("close", onClose);
    };
    const end = (reason: string): void => {
      settle();
      secured.on("error", () => undefined).destroy();
      failed(reason);
    };
    // The text may quote a certificate that anybody could have made.
    const onError = (error: NodeJS.ErrnoException): void => end(error.code ?? error.message);
    const onClose = (): void => end("the peer left during the handshake");
    const onSecure = (): void => {
      settle();
      succeeded(secured);
    };
    const timer = setTimeout(() => end(`the handshake took more than ${this.#timeoutMs} ms`), this.#timeoutMs);
    this.#underWay.add(end);
    // What becomes of it is told of the secured socket.
    raw.on("error", () => undefined);
    secured.on("secureConnect", onSecure).on("error", onError).on("close", onClose);
  }

  /** Ends the handshakes that are under way. */
  endAll(reason: string): void {
    for (const end of this.#underWay) end(reason);
  }

  #endOldest(): void {
    const [oldest] = this.#underWay;
    oldest?.("too many handshakes at once");
  }
}
