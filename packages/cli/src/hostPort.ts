// Addresses and ports as a user types them.

/** Where something listens. `host` is a name or an IP address, without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** @throws Error that says what is wrong. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:]*)):([^:]*)$/.exec(text);
  if (match === null) {
    if (/^\d+$/.test(text)) throw new Error(`It needs a host too, such as localhost:${text}.`);
    throw new Error(text.includes(":") ? "An IPv6 address needs brackets, such as [::1]:80." : "It must be HOST:PORT.");
  }
  const host = match[1] ?? match[2] ?? "";
  if (host === "") throw new Error("The host is missing.");
  if (match[1] !== undefined && !match[1].includes(":")) throw new Error("Only IPv6 addresses stand in brackets.");
  return { host, port: parsePort(match[3] ?? "") };
}

/** @throws Error that says what is wrong. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new Error(`A port is a number from 1 to 65535.`);
  return port;
}

/** The inverse of `parseHostPort`. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
