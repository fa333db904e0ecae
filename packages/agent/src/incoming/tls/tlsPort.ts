// TLS of one port of the target: what the agent shows to peers, and what it shows to the target. Made of files of the target when a connection needs it, and made again
// a moment later when another one does, so that certificates which are replaced in the target are used without a restart.

import { randomBytes } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { StealTlsPort, TlsAuthentication } from "../../stealTlsSetting.ts";
import { Handshakes } from "./handshakes.ts";
import { certificatesOf, keyOf } from "./pem.ts";
import { Renewed } from "./renewed.ts";
import { PEM_MAX_BYTES, readTrustRoots, type TargetFiles } from "./trustRoots.ts";

export interface TlsPortOptions {
  readonly config: StealTlsPort;
  readonly files: TargetFiles;
  /** Time for a handshake, in ms. */
  readonly handshakeTimeoutMs: number;
  /** How long files are taken to be what they were, in ms. */
  readonly freshMs: number;
  /** Hears what could not be used of the configuration. */
  readonly report: (path: string, error: string) => void;
}

/** How the agent shows itself to peers. */
export interface PeerSide {
  readonly handshakes: Handshakes;
  /** Why a peer is refused after its handshake, or null. */
  refusal(socket: TLSSocket): string | null;
}

/** How the agent shows itself to the target. */
export interface TargetSide {
  /**
   * Speaks TLS over a connection to the target, which may still be under way. `name` is what the peer asked for; the target is to prove that it is called so.
   * `alpn`: the one protocol that the peer got, if any.
   */
  secure(socket: Socket, name: string, alpn: string | null): Socket;
}

export class TlsPort {
  readonly #options: TlsPortOptions;
  readonly #peerSide: Renewed<PeerSide>;
  readonly #targetSide: Renewed<TargetSide>;
  /** Kept when certificates change, so that peers can still resume their sessions. */
  readonly #ticketKeys = randomBytes(48);

  constructor(options: TlsPortOptions) {
    this.#options = options;
    const whenOld = { freshMs: options.freshMs, onStale: (error: unknown) => options.report(`port ${options.config.port}`, String(error)) };
    this.#peerSide = new Renewed(() => this.#makePeerSide(), whenOld);
    this.#targetSide = new Renewed(() => this.#makeTargetSide(), whenOld);
  }

  /** Rejects when the configuration cannot be used; the next connection tries again. */
  peerSide(): Promise<PeerSide> {
    return this.#peerSide.get();
  }

  targetSide(): Promise<TargetSide> {
    return this.#targetSide.get();
  }

  async #makePeerSide(): Promise<PeerSide> {
    const { authentication, alpnProtocols, verification } = this.#options.config.agentAsServer;
    const roots = verification === null || verification.acceptAnyCert ? [] : await this.#roots(verification.trustRoots);
    const allowsAnonymous = verification?.allowAnonymous === true;
    if (verification !== null && !verification.acceptAnyCert && roots.length === 0 && !allowsAnonymous) {
      throw new Error("there is no trust root for the certificates of peers");
    }
    const handshakes = new Handshakes({
      ...(await this.#identity(authentication)),
      ...(alpnProtocols.length > 0 && { ALPNProtocols: [...alpnProtocols] }),
      // An empty list trusts nobody; without a list it would be the authorities that Node knows.
      ca: [...roots],
      requestCert: verification !== null,
      // Judged below, where no certificate may be fine.
      rejectUnauthorized: false,
      handshakeTimeout: this.#options.handshakeTimeoutMs,
      ticketKeys: this.#ticketKeys,
    });
    return {
      handshakes,
      refusal: (socket) => {
        if (verification === null) return null;
        const isAnonymous = Object.keys(socket.getPeerCertificate()).length === 0;
        if (isAnonymous) return allowsAnonymous ? null : "the peer shows no certificate";
        return verification.acceptAnyCert || socket.authorized ? null : `the peer's certificate: ${String(socket.authorizationError)}`;
      },
    };
  }

  async #makeTargetSide(): Promise<TargetSide> {
    const { authentication, verification } = this.#options.config.agentAsClient;
    const roots = verification.acceptAnyCert ? [] : await this.#roots(verification.trustRoots);
    if (!verification.acceptAnyCert && roots.length === 0) throw new Error("there is no trust root for the certificate of the target");
    const identity = authentication === null ? {} : await this.#identity(authentication);
    const secureContext: SecureContext = createSecureContext({ ...identity, ca: [...roots] });
    return {
      secure: (socket, name, alpn) =>
        connect({
          socket,
          secureContext,
          host: name,
          // Server names are no addresses.
          ...(isIP(name) === 0 && { servername: name }),
          ...(alpn !== null && { ALPNProtocols: [alpn] }),
          rejectUnauthorized: !verification.acceptAnyCert,
        }),
    };
  }

  async #identity({ certPem, keyPem }: TlsAuthentication): Promise<{ readonly cert: string; readonly key: string }> {
    const { files } = this.#options;
    const chain = certificatesOf(await readNamed(files, certPem));
    if (chain.length === 0) throw new Error(`${certPem}: there is no certificate in it`);
    const pem = await readNamed(files, keyPem);
    try {
      return { cert: chain.join("\n"), key: keyOf(pem) };
    } catch (error) {
      throw new Error(`${keyPem}: ${(error as Error).message}`, { cause: error });
    }
  }

  #roots(paths: readonly string[]): Promise<readonly string[]> {
    return readTrustRoots(this.#options.files, paths, this.#options.report);
  }
}

async function readNamed(files: TargetFiles, path: string): Promise<Uint8Array> {
  try {
    return await files.read(path, PEM_MAX_BYTES);
  } catch (error) {
    throw new Error(`${path}: ${String(error)}`, { cause: error });
  }
}
