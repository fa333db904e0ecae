// The setting that says which redirected ports speak TLS: base64 of a JSON list. Here only its shape is checked; the
// files that it names are in the target's file system and are read when a connection needs them.

/** Certificate chain and key, as paths in the target's file system. */
export interface TlsAuthentication {
  readonly certPem: string;
  readonly keyPem: string;
}

/** TLS of one port. */
export interface StealTlsPort {
  readonly port: number;
  /** How the agent shows itself to peers. */
  readonly agentAsServer: {
    readonly authentication: TlsAuthentication;
    readonly alpnProtocols: readonly string[];
    /** Null: peers are not asked for a certificate. */
    readonly verification: {
      readonly allowAnonymous: boolean;
      readonly acceptAnyCert: boolean;
      readonly trustRoots: readonly string[];
    } | null;
  };
  /** How the agent shows itself to the target when it passes traffic on. */
  readonly agentAsClient: {
    readonly authentication: TlsAuthentication | null;
    readonly verification: { readonly acceptAnyCert: boolean; readonly trustRoots: readonly string[] };
  };
}

/**
 * Reads the setting. Of a port that is listed twice the last entry counts.
 * @throws Error that says what is wrong and where, without any value of the setting.
 */
export function parseStealTls(text: string): readonly StealTlsPort[] {
  if (!/^[A-Za-z0-9+/]*$/.test(text) || text.length % 4 === 1) throw new Error("it is not base64 without padding");
  const ports = list(parseJson(Buffer.from(text, "base64").toString("utf8")), "the list").map((entry, index) => {
    const where = `entry ${index}`;
    const fields = record(entry, where);
    return {
      port: portNumber(fields["port"], `${where}: port`),
      agentAsServer: asServer(fields["agentAsServer"], `${where}: agentAsServer`),
      agentAsClient: asClient(fields["agentAsClient"], `${where}: agentAsClient`),
    };
  });
  return [...new Map(ports.map((port) => [port.port, port])).values()];
}

function asServer(value: unknown, where: string): StealTlsPort["agentAsServer"] {
  const fields = record(value, where);
  const verification = fields["verification"] ?? null;
  return {
    authentication: authentication(fields["authentication"], `${where}.authentication`),
    alpnProtocols: strings(fields["alpnProtocols"], `${where}.alpnProtocols`),
    verification: verification === null ? null : asServerVerification(verification, `${where}.verification`),
  };
}

function asServerVerification(value: unknown, where: string): NonNullable<StealTlsPort["agentAsServer"]["verification"]> {
  const fields = record(value, where);
  return { allowAnonymous: flag(fields["allowAnonymous"], `${where}.allowAnonymous`), ...trust(fields, where) };
}

function asClient(value: unknown, where: string): StealTlsPort["agentAsClient"] {
  const fields = record(value, where);
  const own = fields["authentication"] ?? null;
  return {
    authentication: own === null ? null : authentication(own, `${where}.authentication`),
    verification: trust(record(fields["verification"], `${where}.verification`), `${where}.verification`),
  };
}

function trust(fields: Record<string, unknown>, where: string): StealTlsPort["agentAsClient"]["verification"] {
  return {
    acceptAnyCert: flag(fields["acceptAnyCert"], `${where}.acceptAnyCert`),
    trustRoots: strings(fields["trustRoots"], `${where}.trustRoots`),
  };
}

function authentication(value: unknown, where: string): TlsAuthentication {
  const fields = record(value, where);
  return { certPem: string(fields["certPem"], `${where}.certPem`), keyPem: string(fields["keyPem"], `${where}.keyPem`) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new Error("it does not hold JSON");
  }
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${where} is not an object`);
  return value as Record<string, unknown>;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${where} is not an array`);
  return value;
}

function strings(value: unknown, where: string): readonly string[] {
  return value === undefined ? [] : list(value, where).map((item) => string(item, where));
}

function string(value: unknown, where: string): string {
  if (typeof value !== "string") throw new Error(`${where} is not a text`);
  return value;
}

function flag(value: unknown, where: string): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw new Error(`${where} is not true or false`);
  return value;
}

function portNumber(value: unknown, where: string): number {
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > 65535) throw new Error(`${where} is not a port`);
  return Number(value);
}
