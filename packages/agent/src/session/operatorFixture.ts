// An operator for tests: its certificates, and connections to an agent on which it is the server of TLS although it connects.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SecureVersion, TLSSocket } from "node:tls";
import { Client } from "./sessionFixture.ts";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A self-signed certificate, with alternative names as openssl(1) takes them; none makes a certificate without. */
export async function certify(alternativeNames: string): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), "understudy-operator-"));
  try {
    const [cert, key] = [join(folder, "operator.pem"), join(folder, "operator.key")];
    const names = alternativeNames === "" ? [] : ["-addext", `subjectAltName=${alternativeNames}`];
    const algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", "-x509", ...algorithm, "-keyout", key, "-out", cert, "-subj", "/CN=operator", ...names], {
      stdio: "ignore",
    });
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** An operator's connection; `secured` resolves when its part of the handshake is done, and rejects when the agent does not go along. */
export interface OperatorConnection extends Disposable {
  readonly raw: Socket;
  readonly tls: TLSSocket;
  readonly client: Client;
  readonly secured: Promise<unknown>;
}

export async function connectAsOperator(port: number, { cert, key }: Certificate, version?: SecureVersion): Promise<OperatorConnection> {
  const raw = connect({ port, host: "127.0.0.1" });
  raw.on("error", () => undefined);
  await once(raw, "connect");
  const tls = new TLSSocket(raw, { isServer: true, cert, key, ...(version && { minVersion: version, maxVersion: version }) });
  const secured = Promise.race([once(tls, "secure"), once(tls, "close").then(() => Promise.reject(new Error("closed in the handshake")))]);
  secured.catch(() => undefined);
  return { raw, tls, client: new Client(tls), secured, [Symbol.dispose]: () => tls.destroy() };
}
