// The ports that are configured for TLS. A connection to one of them goes through its handshake here, and is an ordinary one afterwards: what follows sees plain bytes.

import { Socket } from "node:net";
import type { StealTlsPort } from "../../stealTlsSetting.ts";
import { ByteSocket } from "../../socket/byteSocket.ts";
import type { Arrival } from "../arrival.ts";
import type { TlsPort } from "./tlsPort.ts";
import type { TargetFiles } from "./trustRoots.ts";

/** Time for a peer to begin and to end its handshake, in ms each. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Most connections that are being secured. Each takes some 100 KiB, and may wait for a slow file system as well as for a slow peer. One more ends the oldest. */
const AT_ONCE_MAX = 256;
/** A certificate that was replaced is noticed so long after at most, in ms, if connections keep coming. */
const FRESH_MS = 5_000;

export interface TlsPortsOptions {
  readonly configs: readonly StealTlsPort[];
  readonly files: TargetFiles;
  /** Something of a port's configuration could not be used. */
  readonly unusable: (port: number, path: string, error: string) => void;
}

/** A connection after its first moments. */
export interface SecuredArrival {
  readonly arrival: Arrival;
  readonly socket: ByteSocket;
  /** It began with something else than TLS, which only the target can make sense of. */
  readonly isPlain: boolean;
}

export class TlsPorts {
  readonly #options: TlsPortsOptions;
  readonly #ports = new Map<number, Promise<TlsPort>>();
  /** Connections that are being secured, the oldest first. */
  readonly #underWay = new Set<Socket>();

  constructor(options: TlsPortsOptions) {
    this.#options = options;
  }

  has(port: number): boolean {
    return this.#options.configs.some((config) => config.port === port);
  }

  /**
   * Secures a connection to a port that is configured for TLS. Null: its peer left without a word.
   *
   * @param raw open, half-open, not yet read. It is destroyed when this rejects.
   * @throws Error where the port cannot be served or the handshake failed.
   */
  async secure(arrival: Arrival, raw: Socket): Promise<SecuredArrival | null> {
    raw.on("error", () => undefined);
    this.#makeRoom();
    this.#underWay.add(raw);
    try {
      const port = await this.#at(arrival.original.port);
      const toTarget = await port.targetSide().catch((error: unknown) => this.#noTargetSide(arrival.original.port, error));
      const peerSide = await port.peerSide().catch((error: unknown) => this.#noPeerSide(arrival.original.port, error));
      const { acceptTls } = await import("./acceptTls.ts");
      const accepted = await acceptTls(raw, peerSide, HANDSHAKE_TIMEOUT_MS);
      const reader = { bytes: () => false };
      if (accepted.kind === "left") return null;
      if (accepted.kind === "plain") return { arrival, socket: ByteSocket.over(raw, reader), isPlain: true };
      const { alpnProtocol, servername } = accepted.socket;
      const tls = { alpn: alpnProtocol || null, serverName: servername || null, toTarget };
      return { arrival: { ...arrival, tls }, socket: ByteSocket.over(accepted.socket, reader), isPlain: false };
    } catch (error) {
      raw.destroy();
      throw error;
    } finally {
      this.#underWay.delete(raw);
    }
  }

  /** Peers that mean it are done in a moment: those who have taken longest are not they. */
  #makeRoom(): void {
    if (this.#underWay.size < AT_ONCE_MAX) return;
    const [oldest] = this.#underWay;
    if (oldest === undefined) return;
    this.#underWay.delete(oldest);
    oldest.resetAndDestroy();
  }

  async #at(port: number): Promise<TlsPort> {
    const { configs, files, unusable } = this.#options;
    let made = this.#ports.get(port);
    if (made === undefined) {
      const config = configs.find((one) => one.port === port);
      if (config === undefined) throw new Error(`port ${port} is not configured for TLS`);
      const report = (path: string, error: string): void => unusable(port, path, error);
      const options = { config, files, handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS, freshMs: FRESH_MS, report };
      // Loaded for the first connection that needs it: OpenSSL's part of Node takes memory.
      made = import("./tlsPort.ts").then(({ TlsPort: Port }) => new Port(options));
      this.#ports.set(port, made);
    }
    return await made;
  }

  #noPeerSide(port: number, error: unknown): never {
    this.#options.unusable(port, "agentAsServer", String(error));
    throw new Error(`port ${port} cannot be served with TLS: ${String(error)}`, { cause: error });
  }

  /** Traffic that is stolen needs no target; what is passed on fails with the reason. */
  #noTargetSide(port: number, error: unknown): { secure: (socket: Socket) => Socket } {
    this.#options.unusable(port, "agentAsClient", String(error));
    const reason = new Error(`TLS to the target is not possible: ${String(error)}`, { cause: error });
    return {
      secure: (socket) => {
        socket.on("error", () => undefined).destroy();
        return new Socket().destroy(reason);
      },
    };
  }
}
